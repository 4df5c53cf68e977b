/* Room at the upstream: an attempt takes a place there and one at a target, and gives both back
 * when it ends. Where there is none it waits in the upstream's line (line.h), for a while. */
#include "upstream/call_private.h"
#include "upstream/registry_private.h"

#define SECOND_US 1000000ull

static const struct gw_capacity *capacity_of(const struct gw_call *call)
{
    return &call->view->set->how.capacity;
}

void gw_place_begin(struct gw_call *call, struct gw_upstream *upstream)
{
    const struct gw_capacity *capacity = capacity_of(call);

    if (capacity->max_requests || capacity->max_requests_per_target)
        call->line = &upstream->line;
}

/* ── taking one ────────────────────────────────────────────────────────────── */

enum found {
    FOUND_PLACE,
    FOUND_NO_ROOM,
    FOUND_NOBODY, /* there is no target at all */
};

static enum found look_for_place(struct gw_call *call, bool called, struct gw_target **target)
{
    bool all_full;

    if (call->line && !gw_line_enter(call->line, capacity_of(call)->max_requests, called))
        return FOUND_NO_ROOM;
    *target = gw_attempt_choose(call, &all_full);
    call->has_place = call->line && *target;
    if (*target)
        return FOUND_PLACE;
    if (call->line)
        gw_line_undo(call->line);
    return all_full ? FOUND_NO_ROOM : FOUND_NOBODY;
}

void gw_place_leave(struct gw_call *call)
{
    if (!call->has_place)
        return;
    call->has_place = false;
    gw_line_leave(call->line);
}

/* ── waiting ───────────────────────────────────────────────────────────────── */

static void on_waited_too_long(struct gw_timer *timer)
{
    struct gw_call *call = container_of(timer, struct gw_call, try_timer);

    atomic_fetch_add_explicit(&call->line->late, 1, memory_order_relaxed);
    gw_call_fail(call, GW_E_UPSTREAM_WAIT);
}

static void on_call(void *ctx)
{
    struct gw_call *call = ctx;
    const struct gw_capacity *capacity = capacity_of(call);
    struct gw_line_wait *wait = call->line_wait;
    unsigned look = gw_line_look(call->line);
    struct gw_target *target;

    switch (look_for_place(call, true, &target)) {
    case FOUND_NO_ROOM:
        gw_line_again(wait, look);
        return;
    case FOUND_NOBODY:
        gw_call_fail(call, call->view->set->why_empty);
        return;
    case FOUND_PLACE:
        break;
    }
    call->line_wait = NULL;
    gw_timer_stop(&call->try_timer);
    gw_line_done(wait, capacity->max_requests == 0 ||
                           atomic_load(&call->line->active) < capacity->max_requests);
    gw_attempt_go_to(call, target);
    gw_call_tell_room(call);
}

static void get_in_line(struct gw_call *call, unsigned look)
{
    const struct gw_capacity *capacity = capacity_of(call);
    uint64_t timeout_us = capacity->pending_timeout_us;

    call->info.retry_after_us = timeout_us > SECOND_US ? timeout_us : SECOND_US;
    call->line_wait =
        gw_line_wait(call->line, capacity->max_pending, look, call->options.loop, on_call, call);
    if (!call->line_wait) {
        gw_call_fail_later(call, GW_E_UPSTREAM_FULL);
        return;
    }
    call->state = GW_CALL_SEEKING;
    gw_timer_start(call->options.loop, &call->try_timer, timeout_us, on_waited_too_long);
}

void gw_place_stop_waiting(struct gw_call *call)
{
    if (call->line_wait)
        gw_line_cancel(call->line_wait);
    call->line_wait = NULL;
}

void gw_place_find(struct gw_call *call)
{
    unsigned look = call->line ? gw_line_look(call->line) : 0;
    struct gw_target *target;

    switch (look_for_place(call, false, &target)) {
    case FOUND_PLACE:
        gw_attempt_go_to(call, target);
        break;
    case FOUND_NO_ROOM:
        get_in_line(call, look);
        break;
    case FOUND_NOBODY:
        gw_call_fail_later(call, call->view->set->why_empty);
        break;
    }
}
