#pragma once
/* A relay that passes bytes on no faster than their pace (policy/pace.h): what may not pass yet is
 * kept, and its source held, until a timer says that it may. */
#include "base/buf.h"
#include "net/timer.h"
#include "policy/pace.h"

struct gw_exchange;
struct gw_loop;
struct gw_throttle;

/* It waits no more: the relay may go on. */
typedef void (*gw_throttle_cb)(struct gw_throttle *throttle);

struct gw_throttle {
    struct gw_loop *loop;
    struct gw_pace *pace;
    struct gw_timer timer; /* until what is reserved may pass */
    size_t granted;        /* may pass now, or when the timer fires */
    struct gw_buf kept;    /* of the last piece from the source what could not pass yet */
    gw_throttle_cb on_ready;
    void *owner;
};

/* In the arena; one whose pace changed goes on with it. */
struct gw_throttle *gw_throttle_of(struct gw_throttle *throttle, struct gw_exchange *x,
                                   struct gw_pace *pace, gw_throttle_cb on_ready, void *owner);

/* How many of so many bytes may pass now; they count as passed. 0: not now, on_ready will be
 * called. */
size_t gw_throttle_pass(struct gw_throttle *throttle, size_t want);

/* A copy of what has to wait; lives until the next. */
struct gw_slice gw_throttle_keep(struct gw_throttle *throttle, struct gw_slice bytes);

/* Nothing is called any more, and nothing kept. */
void gw_throttle_stop(struct gw_throttle *throttle);
