/* What plugins count: numbers with fractions, kept as the bits of a double in the places that
 * core's counters have. A histogram's series is a place for each bucket, one for what is larger,
 * and one for the sum. */
#include "base/check.h"
#include "telemetry/metrics_private.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LEVELS_WRITER 0 /* whose places levels have */

static double to_number(int64_t bits)
{
    double number;

    memcpy(&number, &bits, sizeof(number));
    return number;
}

static int64_t to_bits(double number)
{
    int64_t bits;

    memcpy(&bits, &number, sizeof(bits));
    return bits;
}

/* --- counting --- */

/* One thread writes the place. */
static void add(_Atomic int64_t *place, double n)
{
    double before = to_number(atomic_load_explicit(place, memory_order_relaxed));

    atomic_store_explicit(place, to_bits(before + n), memory_order_relaxed);
}

void gw_metric_sum_add(struct gw_metrics *metrics, gw_metric series, unsigned writer, double n)
{
    if (series != GW_METRIC_NONE)
        add(gw_metric_place(metrics, series, writer), n);
}

void gw_metric_level_set(struct gw_metrics *metrics, gw_metric series, double value)
{
    if (series != GW_METRIC_NONE)
        atomic_store_explicit(gw_metric_place(metrics, series, LEVELS_WRITER), to_bits(value),
                              memory_order_relaxed);
}

void gw_metric_level_add(struct gw_metrics *metrics, gw_metric series, double n)
{
    if (series == GW_METRIC_NONE)
        return;
    _Atomic int64_t *place = gw_metric_place(metrics, series, LEVELS_WRITER);
    int64_t before = atomic_load_explicit(place, memory_order_relaxed);

    while (!atomic_compare_exchange_weak_explicit(place, &before, to_bits(to_number(before) + n),
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

void gw_metric_bucket_observe(const struct gw_metric_family *family, gw_metric series,
                              unsigned writer, double value)
{
    unsigned bucket = 0;

    if (series == GW_METRIC_NONE)
        return;
    while (bucket < family->bound_count && value > family->bounds[bucket])
        bucket++;
    _Atomic int64_t *place = gw_metric_place(family->metrics, series + bucket, writer);
    int64_t before = atomic_load_explicit(place, memory_order_relaxed);

    atomic_store_explicit(place, before + 1, memory_order_relaxed);
    add(gw_metric_place(family->metrics, series + family->bound_count + 1, writer), value);
}

/* --- showing --- */

double gw_metric_number(const struct gw_metrics *metrics, gw_metric series)
{
    double sum = 0;

    for (unsigned i = 0; i < metrics->writer_count; i++) {
        const _Atomic int64_t *place = gw_metric_peek(metrics, series, i);

        if (place)
            sum += to_number(atomic_load_explicit(place, memory_order_relaxed));
    }
    return sum;
}

/* With as few digits as mean the same number. */
static void format(double number, char out[32])
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(out, 32, "%.*g", digits, number);
        if (strtod(out, NULL) == number)
            return;
    }
}

bool gw_metric_render_number(struct gw_buf *out, const struct gw_metric_family *family,
                             const struct gw_metric_series *series)
{
    char text[32];

    format(gw_metric_number(family->metrics, series->place), text);
    return gw_metric_render_name(out, family, series, "", NULL) && gw_buf_printf(out, "%s\n", text);
}

bool gw_metric_render_buckets(struct gw_buf *out, const struct gw_metric_family *family,
                              const struct gw_metric_series *series)
{
    gw_metric end = series->place + family->bound_count;
    int64_t count = 0;
    char text[32];
    bool good = true;

    for (unsigned i = 0; good && i < family->bound_count; i++) {
        count += gw_metric_value(family->metrics, series->place + i);
        format(family->bounds[i], text);
        good = gw_metric_render_name(out, family, series, "_bucket", text) &&
               gw_buf_printf(out, "%" PRId64 "\n", count);
    }
    count += gw_metric_value(family->metrics, end);
    format(gw_metric_number(family->metrics, end + 1), text);
    return good && gw_metric_render_name(out, family, series, "_bucket", "+Inf") &&
           gw_buf_printf(out, "%" PRId64 "\n", count) &&
           gw_metric_render_name(out, family, series, "_sum", NULL) &&
           gw_buf_printf(out, "%s\n", text) &&
           gw_metric_render_name(out, family, series, "_count", NULL) &&
           gw_buf_printf(out, "%" PRId64 "\n", count);
}
