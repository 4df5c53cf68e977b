#include "base/alloc.h"
#include "base/check.h"
#include "telemetry/metrics_private.h"

/* One thread writes a place: a relaxed load and store are enough, and no locked instruction. */

GW_SELDOM static struct gw_metric_writer *make_writer(struct gw_metrics *metrics, unsigned writer)
{
    struct gw_metric_writer *fresh = gw_alloc_zero(sizeof(*fresh)), *tables = NULL;

    /* Two may meet here: a level has the same writer for all. */
    if (atomic_compare_exchange_strong(&metrics->writers[writer], &tables, fresh))
        return fresh;
    gw_free(fresh);
    return tables;
}

struct gw_metric_writer *gw_metric_writer(struct gw_metrics *metrics, unsigned writer)
{
    GW_ASSERT(writer < metrics->writer_count);
    struct gw_metric_writer *tables =
        atomic_load_explicit(&metrics->writers[writer], memory_order_acquire);

    return tables ? tables : make_writer(metrics, writer);
}

GW_SELDOM static struct gw_metric_values *make_values(_Atomic(struct gw_metric_values *) *slot)
{
    struct gw_metric_values *fresh = gw_alloc_zero(sizeof(*fresh)), *chunk = NULL;

    if (atomic_compare_exchange_strong(slot, &chunk, fresh))
        return fresh;
    gw_free(fresh);
    return chunk;
}

_Atomic int64_t *gw_metric_place(struct gw_metrics *metrics, gw_metric series, unsigned writer)
{
    GW_ASSERT(!(series & GW_METRIC_IS_HISTOGRAM));
    _Atomic(struct gw_metric_values *) *slot =
        &gw_metric_writer(metrics, writer)->values[series / GW_METRIC_CHUNK];
    struct gw_metric_values *chunk = atomic_load_explicit(slot, memory_order_acquire);

    if (!chunk)
        chunk = make_values(slot);
    return &chunk->places[series % GW_METRIC_CHUNK];
}

const _Atomic int64_t *gw_metric_peek(const struct gw_metrics *metrics, gw_metric series,
                                      unsigned writer)
{
    const struct gw_metric_writer *tables =
        atomic_load_explicit(&metrics->writers[writer], memory_order_acquire);
    const struct gw_metric_values *chunk =
        tables
            ? atomic_load_explicit(&tables->values[series / GW_METRIC_CHUNK], memory_order_acquire)
            : NULL;

    return chunk ? &chunk->places[series % GW_METRIC_CHUNK] : NULL;
}

void gw_metric_add(struct gw_metrics *metrics, gw_metric series, unsigned writer, int64_t n)
{
    if (series == GW_METRIC_NONE)
        return;
    _Atomic int64_t *place = gw_metric_place(metrics, series, writer);
    int64_t before = atomic_load_explicit(place, memory_order_relaxed);

    atomic_store_explicit(place, before + n, memory_order_relaxed);
}

void gw_metric_set(struct gw_metrics *metrics, gw_metric series, unsigned writer, int64_t value)
{
    if (series == GW_METRIC_NONE)
        return;
    atomic_store_explicit(gw_metric_place(metrics, series, writer), value, memory_order_relaxed);
}

static struct gw_histogram *histogram_place(struct gw_metric_writer *writer, uint32_t at)
{
    _Atomic(struct gw_metric_histograms *) *slot = &writer->histograms[at / GW_METRIC_CHUNK];
    struct gw_metric_histograms *chunk = atomic_load_explicit(slot, memory_order_relaxed);

    if (!chunk) {
        chunk = gw_alloc_zero(sizeof(*chunk));
        atomic_store_explicit(slot, chunk, memory_order_release);
    }
    _Atomic(struct gw_histogram *) *place = &chunk->places[at % GW_METRIC_CHUNK];
    struct gw_histogram *histogram = atomic_load_explicit(place, memory_order_relaxed);

    if (!histogram) {
        histogram = gw_alloc_zero(sizeof(*histogram));
        atomic_store_explicit(place, histogram, memory_order_release);
    }
    return histogram;
}

void gw_metric_observe_us(struct gw_metrics *metrics, gw_metric series, unsigned writer,
                          uint64_t duration_us)
{
    if (series == GW_METRIC_NONE)
        return;
    GW_ASSERT(series & GW_METRIC_IS_HISTOGRAM);
    gw_histogram_add(
        histogram_place(gw_metric_writer(metrics, writer), series & ~GW_METRIC_IS_HISTOGRAM),
        duration_us);
}

/* ── what was counted ── */

static int64_t sum_values(const struct gw_metrics *metrics, gw_metric series)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < metrics->writer_count; i++) {
        const _Atomic int64_t *place = gw_metric_peek(metrics, series, i);

        if (place)
            sum += atomic_load_explicit(place, memory_order_relaxed);
    }
    return sum;
}

void gw_metric_sum_histogram(const struct gw_metrics *metrics, gw_metric series, uint64_t *sum_us,
                             uint64_t buckets[GW_HISTOGRAM_BUCKETS])
{
    uint32_t at = series & ~GW_METRIC_IS_HISTOGRAM;

    *sum_us = 0;
    memset(buckets, 0, GW_HISTOGRAM_BUCKETS * sizeof(buckets[0]));
    for (unsigned i = 0; i < metrics->writer_count; i++) {
        struct gw_metric_writer *writer =
            atomic_load_explicit(&metrics->writers[i], memory_order_acquire);
        struct gw_metric_histograms *chunk =
            writer ? atomic_load_explicit(&writer->histograms[at / GW_METRIC_CHUNK],
                                          memory_order_acquire)
                   : NULL;
        struct gw_histogram *histogram =
            chunk ? atomic_load_explicit(&chunk->places[at % GW_METRIC_CHUNK], memory_order_acquire)
                  : NULL;

        if (!histogram)
            continue;
        *sum_us += atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
        for (unsigned k = 0; k < GW_HISTOGRAM_BUCKETS; k++)
            buckets[k] += atomic_load_explicit(&histogram->buckets[k], memory_order_relaxed);
    }
}

static uint64_t count_all(const uint64_t buckets[GW_HISTOGRAM_BUCKETS])
{
    uint64_t count = 0;

    for (unsigned i = 0; i < GW_HISTOGRAM_BUCKETS; i++)
        count += buckets[i];
    return count;
}

int64_t gw_metric_value(const struct gw_metrics *metrics, gw_metric series)
{
    uint64_t buckets[GW_HISTOGRAM_BUCKETS];
    uint64_t sum_us;

    if (series == GW_METRIC_NONE)
        return 0;
    if (!(series & GW_METRIC_IS_HISTOGRAM))
        return sum_values(metrics, series);
    gw_metric_sum_histogram(metrics, series, &sum_us, buckets);
    return (int64_t)count_all(buckets);
}

uint64_t gw_metric_quantile_us(const struct gw_metrics *metrics, gw_metric series, double part)
{
    uint64_t buckets[GW_HISTOGRAM_BUCKETS];
    uint64_t sum_us;
    uint64_t below = 0;
    unsigned bucket = 0;

    if (series == GW_METRIC_NONE)
        return 0;
    gw_metric_sum_histogram(metrics, series, &sum_us, buckets);
    double wanted = part * (double)count_all(buckets);

    for (; bucket < GW_HISTOGRAM_BUCKETS; bucket++) {
        below += buckets[bucket];
        if (below && (double)below >= wanted)
            break;
    }
    if (below == 0)
        return 0;
    uint64_t low_us = bucket ? gw_histogram_bound_us(bucket - 1) : 0;
    uint64_t high_us = gw_histogram_bound_us(bucket);

    if (high_us == UINT64_MAX)
        return low_us;                       /* more is not known */
    return high_us - (high_us - low_us) / 2; /* the middle */
}
