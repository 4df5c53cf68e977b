#include "telemetry/histogram.h"

#include <assert.h>

/* Below ten microseconds each has its own bucket. Above, each power of ten has 35: ten steps of a
 * tenth, fifteen of a fifth, ten of a half. */
#define FIRST_DECADE 10
#define DECADE_BUCKETS 35
#define OVERFLOW (GW_HISTOGRAM_BUCKETS - 1)

static_assert(FIRST_DECADE + 7 * DECADE_BUCKETS == OVERFLOW, "seven decades: 10 us to 100 s");

unsigned gw_histogram_bucket(uint64_t duration_us)
{
    uint64_t value = duration_us ? duration_us - 1 : 0; /* a bound belongs to the bucket it ends */
    uint64_t unit = 1;                                  /* a tenth of the decade's beginning */
    unsigned base = FIRST_DECADE;

    if (value < FIRST_DECADE)
        return (unsigned)value;
    for (; value >= unit * 100; unit *= 10) {
        base += DECADE_BUCKETS;
        if (base >= OVERFLOW)
            return OVERFLOW;
    }
    unsigned tenths = (unsigned)(value / unit); /* 10 … 99 */

    if (tenths < 20)
        return base + tenths - 10;
    if (tenths < 50)
        return base + 10 + (tenths - 20) / 2;
    return base + 25 + (tenths - 50) / 5;
}

uint64_t gw_histogram_bound_us(unsigned bucket)
{
    uint64_t unit = 1;

    if (bucket >= OVERFLOW)
        return UINT64_MAX;
    if (bucket < FIRST_DECADE)
        return bucket + 1;
    unsigned in_decade = (bucket - FIRST_DECADE) % DECADE_BUCKETS + 1;

    for (unsigned decade = (bucket - FIRST_DECADE) / DECADE_BUCKETS; decade > 0; decade--)
        unit *= 10;
    if (in_decade <= 10)
        return unit * (10 + in_decade);
    if (in_decade <= 25)
        return unit * (20 + (in_decade - 10) * 2);
    return unit * (50 + (in_decade - 25) * 5);
}

/* One writer: a load and a store are enough, and no locked instruction. */
static void add(_Atomic uint64_t *place, uint64_t n)
{
    uint64_t before = atomic_load_explicit(place, memory_order_relaxed);

    atomic_store_explicit(place, before + n, memory_order_relaxed);
}

void gw_histogram_add(struct gw_histogram *histogram, uint64_t duration_us)
{
    add(&histogram->sum_us, duration_us);
    add(&histogram->buckets[gw_histogram_bucket(duration_us)], 1);
}
