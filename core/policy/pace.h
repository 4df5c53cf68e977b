#pragma once
/* A bucket of bytes that a stream passes through, its own or one that several share. What may not
 * pass at once is reserved and passes after a while; who reserved first passes first, so that of
 * many who share a bucket nobody starves. */
#include "policy/gates.h"
#ifndef GW_CDEF
#include <stddef.h>
#endif

struct gw_pace {
    double rate, burst;   /* bytes a second; bytes that pass without waiting after a pause */
    double empty_us;      /* when the bucket was empty, or will be; of its own */
    bool begun;           /* of its own: something has passed */
    struct gw_gate *gate; /* whose bucket it shares; NULL: its own */
};

/* How many of `want` bytes pass after *wait_us (0: now). All that the bucket has; where that is too
 * little to be worth a write, a small piece is reserved. */
size_t gw_pace_take(struct gw_pace *pace, size_t want, uint64_t now_us, uint64_t *wait_us);

/* What was reserved does not pass after all. */
void gw_pace_give_back(struct gw_pace *pace, size_t bytes);
