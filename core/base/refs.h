#pragma once
/* A count of owners, shared by threads. The one who takes it to zero frees the object. */
#ifndef GW_CDEF
#include "base/check.h"

#include <stdatomic.h>
#include <stdbool.h>
#else
typedef int atomic_int; /* the same layout; Lua never touches it */
#endif

struct gw_refs {
    atomic_int count;
};

static inline void gw_refs_init(struct gw_refs *refs)
{
    atomic_init(&refs->count, 1);
}

static inline void gw_refs_add(struct gw_refs *refs)
{
    int before = atomic_fetch_add_explicit(&refs->count, 1, memory_order_relaxed);

    GW_ASSERT(before > 0);
}

/* True for the caller that must free. */
static inline bool gw_refs_drop(struct gw_refs *refs)
{
    int before = atomic_fetch_sub_explicit(&refs->count, 1, memory_order_acq_rel);

    GW_ASSERT(before > 0);
    return before == 1;
}
