#include "telemetry/metrics.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"
#include "telemetry/metrics_private.h"

struct gw_metrics *gw_metrics_new(unsigned writers)
{
    GW_ASSERT(writers > 0);
    struct gw_metrics *metrics =
        gw_alloc_zero(sizeof(*metrics) + writers * sizeof(metrics->writers[0]));

    pthread_mutex_init(&metrics->lock, NULL);
    gw_map_init(&metrics->families_by_name);
    gw_map_init(&metrics->series_by_key);
    metrics->writer_count = writers;
    metrics->next_value = metrics->next_histogram = 1; /* 0 is GW_METRIC_NONE */
    return metrics;
}

static void free_writer(struct gw_metric_writer *writer)
{
    for (unsigned i = 0; i < GW_METRIC_HISTOGRAM_CHUNKS; i++) {
        struct gw_metric_histograms *chunk = atomic_load(&writer->histograms[i]);

        for (unsigned k = 0; chunk && k < GW_METRIC_CHUNK; k++)
            gw_free(atomic_load(&chunk->places[k]));
        gw_free(chunk);
    }
    for (unsigned i = 0; i < GW_METRIC_CHUNKS; i++)
        gw_free(atomic_load(&writer->values[i]));
    gw_free(writer);
}

static void free_family(struct gw_metric_family *family)
{
    struct gw_metric_series *series = atomic_load(&family->first);

    if (!family->other->listed)
        gw_free(family->other);
    while (series) {
        struct gw_metric_series *next = atomic_load(&series->next);

        gw_free(series);
        series = next;
    }
    for (unsigned i = 0; i < family->label_count; i++)
        gw_free(family->labels[i]);
    gw_free(family->name);
    gw_free(family->help);
    gw_free(family->bounds);
    gw_free(family);
}

void gw_metrics_free(struct gw_metrics *metrics)
{
    struct gw_metric_family *family = atomic_load(&metrics->first);

    while (family) {
        struct gw_metric_family *next = atomic_load(&family->next);

        free_family(family);
        family = next;
    }
    for (unsigned i = 0; i < metrics->writer_count; i++)
        if (metrics->writers[i])
            free_writer(metrics->writers[i]);
    gw_map_deinit(&metrics->families_by_name);
    gw_map_deinit(&metrics->series_by_key);
    pthread_mutex_destroy(&metrics->lock);
    gw_free(metrics);
}

/* ── series ── */

struct gw_slice gw_metric_make_key(const struct gw_metric_family *family,
                                   const struct gw_slice *values, char out[GW_METRIC_KEY_MAX])
{
    char *at = out;

    memcpy(at, &family->id, sizeof(family->id));
    at += sizeof(family->id);
    for (unsigned i = 0; i < family->label_count; i++) {
        uint16_t len =
            (uint16_t)(values[i].len < GW_METRIC_VALUE_MAX ? values[i].len : GW_METRIC_VALUE_MAX);

        memcpy(at, &len, sizeof(len));
        if (len)
            memcpy(at + sizeof(len), values[i].ptr, len);
        at += sizeof(len) + len;
    }
    return gw_slice(out, (size_t)(at - out));
}

struct gw_slice gw_metric_next_value(struct gw_slice *rest)
{
    uint16_t len;

    memcpy(&len, rest->ptr, sizeof(len));
    struct gw_slice value = gw_slice(rest->ptr + sizeof(len), len);

    *rest = gw_slice_skip(*rest, sizeof(len) + len);
    return value;
}

gw_metric gw_metric_take_place(struct gw_metrics *metrics, enum gw_metric_kind kind,
                               unsigned bound_count)
{
    bool histogram = kind == GW_METRIC_HISTOGRAM;
    uint32_t *next = histogram ? &metrics->next_histogram : &metrics->next_value;
    uint32_t end = histogram ? GW_METRIC_HISTOGRAM_PLACES : GW_METRIC_PLACES;
    uint32_t count = kind == GW_METRIC_BUCKETS ? bound_count + 2 : 1;
    uint32_t at = *next;

    if (gw_metric_is_plugins(kind))
        end -= end / 4;
    if (at + count > end)
        return GW_METRIC_NONE;
    *next += count;
    return at | (histogram ? GW_METRIC_IS_HISTOGRAM : 0);
}

struct gw_metric_series *gw_metric_new_series(struct gw_metrics *metrics, struct gw_slice key,
                                              gw_metric place)
{
    struct gw_metric_series *series = gw_alloc_zero(sizeof(*series) + key.len);

    series->place = place;
    memcpy(series->data, key.ptr, key.len);
    series->key = gw_slice(series->data, key.len);
    gw_map_put(&metrics->series_by_key, series->key, series);
    return series;
}

static void list_series(struct gw_metric_family *family, struct gw_metric_series *series)
{
    if (series->listed)
        return;
    series->listed = true;
    atomic_store_explicit(family->last ? &family->last->next : &family->first, series,
                          memory_order_release);
    family->last = series;
    family->series_count++;
}

static struct gw_metric_series *find_series(struct gw_metric_family *family, struct gw_slice key)
{
    struct gw_metrics *metrics = family->metrics;
    struct gw_metric_series *series = gw_map_get(&metrics->series_by_key, key);

    if (series)
        return series;
    gw_metric place = GW_METRIC_NONE;

    if (family->series_count < family->max_series)
        place = gw_metric_take_place(metrics, family->kind, family->bound_count);
    if (place)
        return gw_metric_new_series(metrics, key, place);
    if (atomic_fetch_add_explicit(&family->overflows, 1, memory_order_relaxed) == 0)
        gw_warn("metric %s: more than %u combinations of label values: what comes beyond is "
                "counted as \"other\"",
                family->name, family->series_count);
    return family->other;
}

gw_metric gw_metric_series(struct gw_metric_family *family, const struct gw_slice *values)
{
    char buffer[GW_METRIC_KEY_MAX];

    if (!family)
        return GW_METRIC_NONE;
    struct gw_slice key = gw_metric_make_key(family, values, buffer);

    pthread_mutex_lock(&family->metrics->lock);
    struct gw_metric_series *series = find_series(family, key);

    list_series(family, series);
    pthread_mutex_unlock(&family->metrics->lock);
    return series->place;
}

bool gw_metric_is_other(const struct gw_metric_family *family, gw_metric series)
{
    return series == family->other->place;
}
