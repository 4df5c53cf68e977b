#include "telemetry/metrics.h"

#include "base/alloc.h"
#include "base/check.h"
#include "telemetry/metrics_private.h"

#define FAMILIES_MAX 1024
#define NAME_LEN_MAX 200
#define VALUE_LEN_MAX 256
#define KEY_MAX                                                                                    \
    (sizeof(uint32_t) + GW_METRIC_LABELS_MAX * (sizeof(uint16_t) + (size_t)VALUE_LEN_MAX))

struct gw_metrics *gw_metrics_new(unsigned writers)
{
    GW_ASSERT(writers > 0);
    struct gw_metrics *metrics =
        gw_alloc_zero(sizeof(*metrics) + writers * sizeof(struct gw_metric_writer *));

    pthread_mutex_init(&metrics->lock, NULL);
    gw_map_init(&metrics->families_by_name);
    gw_map_init(&metrics->series_by_key);
    metrics->writer_count = writers;
    metrics->next_value = metrics->next_histogram = 1; /* 0 is GW_METRIC_NONE */
    for (unsigned i = 0; i < writers; i++)
        metrics->writers[i] = gw_alloc_zero(sizeof(*metrics->writers[i]));
    return metrics;
}

static void free_writer(struct gw_metric_writer *writer)
{
    for (unsigned i = 0; i < GW_METRIC_CHUNKS; i++) {
        struct gw_metric_histograms *chunk = atomic_load(&writer->histograms[i]);

        for (unsigned k = 0; chunk && k < GW_METRIC_CHUNK; k++)
            gw_free(atomic_load(&chunk->places[k]));
        gw_free(chunk);
        gw_free(atomic_load(&writer->values[i]));
    }
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
        free_writer(metrics->writers[i]);
    gw_map_deinit(&metrics->families_by_name);
    gw_map_deinit(&metrics->series_by_key);
    pthread_mutex_destroy(&metrics->lock);
    gw_free(metrics);
}

/* ── series ── */

/* No value can be made to look like two others: each stands behind its length. */
static struct gw_slice make_key(const struct gw_metric_family *family,
                                const struct gw_slice *values, char out[KEY_MAX])
{
    char *at = out;

    memcpy(at, &family->id, sizeof(family->id));
    at += sizeof(family->id);
    for (unsigned i = 0; i < family->label_count; i++) {
        uint16_t len = (uint16_t)(values[i].len < VALUE_LEN_MAX ? values[i].len : VALUE_LEN_MAX);

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

/* The next place of its kind, or GW_METRIC_NONE when all are taken. */
static gw_metric take_place(struct gw_metrics *metrics, enum gw_metric_kind kind)
{
    bool histogram = kind == GW_METRIC_HISTOGRAM;
    uint32_t *next = histogram ? &metrics->next_histogram : &metrics->next_value;

    if (*next == GW_METRIC_PLACES)
        return GW_METRIC_NONE;
    return (*next)++ | (histogram ? GW_METRIC_IS_HISTOGRAM : 0);
}

static struct gw_metric_series *new_series(struct gw_metrics *metrics, struct gw_slice key,
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
        place = take_place(metrics, family->kind);
    if (place)
        return new_series(metrics, key, place);
    atomic_fetch_add_explicit(&family->overflows, 1, memory_order_relaxed);
    return family->other;
}

gw_metric gw_metric_series(struct gw_metric_family *family, const struct gw_slice *values)
{
    char buffer[KEY_MAX];

    if (!family)
        return GW_METRIC_NONE;
    struct gw_slice key = make_key(family, values, buffer);

    pthread_mutex_lock(&family->metrics->lock);
    struct gw_metric_series *series = find_series(family, key);

    list_series(family, series);
    pthread_mutex_unlock(&family->metrics->lock);
    return series->place;
}

/* ── families ── */

static bool is_name(const char *name, bool colons)
{
    size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > NAME_LEN_MAX || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = gw_lower(name[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && !(colons && c == ':'))
            return false;
    }
    return true;
}

static bool is_label(const struct gw_metric_def *def, unsigned at)
{
    const char *label = def->labels[at];

    if (!is_name(label, false) || strncmp(label, "__", 2) == 0)
        return false;
    if (def->kind == GW_METRIC_HISTOGRAM && strcmp(label, "le") == 0)
        return false;
    for (unsigned i = 0; i < at; i++)
        if (strcmp(label, def->labels[i]) == 0)
            return false;
    return true;
}

static unsigned count_labels(const struct gw_metric_def *def)
{
    unsigned count = 0;

    while (count < GW_METRIC_LABELS_MAX && def->labels[count])
        count++;
    return count;
}

static bool is_valid(const struct gw_metric_def *def)
{
    if (!is_name(def->name, true))
        return false;
    for (unsigned i = 0; i < count_labels(def); i++)
        if (!is_label(def, i))
            return false;
    return true;
}

static bool is_same(const struct gw_metric_family *family, const struct gw_metric_def *def)
{
    if (family->kind != def->kind || family->label_count != count_labels(def))
        return false;
    for (unsigned i = 0; i < family->label_count; i++)
        if (strcmp(family->labels[i], def->labels[i]) != 0)
            return false;
    return true;
}

static struct gw_metric_family *new_family(struct gw_metrics *metrics,
                                           const struct gw_metric_def *def, gw_metric other)
{
    struct gw_metric_family *family = gw_alloc_zero(sizeof(*family));
    const char *help = def->help ? def->help : "";
    struct gw_slice values[GW_METRIC_LABELS_MAX] = { 0 };
    char key[KEY_MAX];

    family->metrics = metrics;
    family->id = (uint32_t)metrics->families_by_name.count;
    family->name = gw_strndup(def->name, strlen(def->name));
    family->help = gw_strndup(help, strlen(help));
    family->kind = def->kind;
    family->max_series = def->max_series ? def->max_series : GW_METRIC_SERIES_DEFAULT;
    family->label_count = count_labels(def);
    for (unsigned i = 0; i < family->label_count; i++) {
        family->labels[i] = gw_strndup(def->labels[i], strlen(def->labels[i]));
        values[i] = GW_SLICE("other");
    }
    family->other = new_series(metrics, make_key(family, values, key), other);
    gw_map_put(&metrics->families_by_name, gw_slice_from(family->name), family);
    atomic_store_explicit(metrics->last ? &metrics->last->next : &metrics->first, family,
                          memory_order_release);
    metrics->last = family;
    return family;
}

/* Under the lock. */
static struct gw_metric_family *find_family(struct gw_metrics *metrics,
                                            const struct gw_metric_def *def)
{
    struct gw_metric_family *family =
        gw_map_get(&metrics->families_by_name, gw_slice_from(def->name));

    if (family)
        return is_same(family, def) ? family : NULL;
    if (metrics->families_by_name.count >= FAMILIES_MAX)
        return NULL;
    gw_metric other = take_place(metrics, def->kind); /* so that there is always one */

    return other ? new_family(metrics, def, other) : NULL;
}

struct gw_metric_family *gw_metrics_family(struct gw_metrics *metrics,
                                           const struct gw_metric_def *def)
{
    if (!is_valid(def))
        return NULL;
    pthread_mutex_lock(&metrics->lock);
    struct gw_metric_family *family = find_family(metrics, def);

    pthread_mutex_unlock(&metrics->lock);
    return family;
}
