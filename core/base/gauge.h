#pragma once
/* A number that one thread counts up and down and any other may read: no lock, no atomic addition,
 * because there is only one who writes. */
#ifndef GW_CDEF
#include <stdatomic.h>

struct gw_gauge {
    atomic_uint value;
};

static inline unsigned gw_gauge_get(const struct gw_gauge *gauge)
{
    return atomic_load_explicit(&gauge->value, memory_order_relaxed);
}

static inline void gw_gauge_add(struct gw_gauge *gauge, int by)
{
    atomic_store_explicit(&gauge->value, gw_gauge_get(gauge) + (unsigned)by, memory_order_relaxed);
}
#endif
