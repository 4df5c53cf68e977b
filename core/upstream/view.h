#pragma once
/* A worker's own look at an upstream: the set of targets of this moment and the balancing state
 * over it. Workers share no line of memory for choosing but the upstream's version. Counted without
 * atomics: a view never leaves its worker. */
#include "policy/balance.h"
#include "upstream/registry.h"
#include "upstream/target.h"

struct gw_view {
    struct gw_target_set *set; /* one reference */
    uint64_t serial, version;  /* of the upstream */
    uint64_t moves;            /* … that the candidates know of */
    unsigned users;            /* the table's own is one of them */
    struct gw_balance balance;
    struct gw_balance_slot *slots;
};

/* Of one worker, by the upstreams' slots. Zero-initialised. */
struct gw_views {
    struct gw_view **items; /* owned; NULL where none */
    unsigned count;
};

void gw_views_deinit(struct gw_views *views); /* views in use live on until they are released */

/* The view of what is published now. The caller owns one use. */
struct gw_view *gw_views_get(struct gw_views *views, struct gw_upstream *upstream,
                             struct gw_random *random);
void gw_view_release(struct gw_view *view); /* NULL is fine */

/* Picks a target; what was tried is told by one flag an item. Returns its index in view->set, or
 * -1. */
int gw_view_choose(struct gw_view *view, const struct gw_balance_ask *ask,
                   enum gw_balance_why *why);

/* How long an attempt took until its head, or until it failed: told only where it counts. */
static inline bool gw_view_learns(const struct gw_view *view)
{
    return view->balance.algorithm == &gw_balance_latency;
}
