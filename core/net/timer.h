#pragma once
/* Timers of one loop: intrusive nodes in a hashed wheel on one uv_timer_t. Starting, moving and
 * stopping one is a few instructions and never a system call. Resolution: one wheel tick (4 ms);
 * never early. */
#include "base/list.h"

#ifndef GW_CDEF
#include <stdint.h>
#endif

struct gw_loop;
struct gw_timer;

typedef void (*gw_timer_cb)(struct gw_timer *timer);

/* Lives in the struct it serves; zero-initialised before the first start. */
struct gw_timer {
    struct gw_list_node node;
    uint64_t
        due_us; /* the deadline that counts; may move later without touching the wheel (lazy) */
    uint64_t placed_us; /* where the node stands in the wheel */
    gw_timer_cb on_fire;
};

/* Fires once, `delay_us` from the loop's now. Starting a running timer moves it. Never fires before
 * it returned. */
void gw_timer_start(struct gw_loop *loop, struct gw_timer *timer, uint64_t delay_us,
                    gw_timer_cb on_fire);

/* Does nothing when it is not running. */
void gw_timer_stop(struct gw_timer *timer);

static inline bool gw_timer_running(const struct gw_timer *timer)
{
    return timer->node.next != NULL;
}
