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
    if (gw_capacity_bounds(capacity_of(call)))
        call->line = &upstream->line;
}

/* ── how many there are ────────────────────────────────────────────────────── */

static struct gw_adaptive_rules rules_of(const struct gw_capacity *capacity)
{
    return (struct gw_adaptive_rules){
        .least = capacity->adaptive_least,
        .most = capacity->adaptive_most,
        .initial = capacity->adaptive_initial,
        .tolerance = capacity->adaptive_tolerance,
        .interval_us = capacity->adaptive_interval_us,
        .probe_every_us = capacity->adaptive_probe_every_us,
    };
}

unsigned gw_place_limit(const struct gw_upstream *upstream, const struct gw_capacity *capacity)
{
    struct gw_adaptive_rules rules;
    unsigned limit;

    if (!capacity->adaptive)
        return capacity->max_requests;
    rules = rules_of(capacity);
    limit = gw_adaptive_limit(upstream->adaptive, &rules);
    return capacity->max_requests && capacity->max_requests < limit ? capacity->max_requests
                                                                    : limit;
}

static struct gw_upstream *upstream_of(const struct gw_call *call)
{
    return container_of(call->line, struct gw_upstream, line);
}

static unsigned limit_of(const struct gw_call *call)
{
    return gw_place_limit(upstream_of(call), capacity_of(call));
}

/* Errors that come fast say nothing of how long the upstream takes; that it took too long does. */
void gw_place_learn(struct gw_call *call, int status, enum gw_error error)
{
    const struct gw_capacity *capacity;
    uint64_t now_us = call->options.loop->clock.now_us;
    struct gw_adaptive_rules rules;

    if (!call->line || !(capacity = capacity_of(call))->adaptive)
        return;
    if (error ? gw_error_info(error)->status != 504 : status >= 500)
        return;
    rules = rules_of(capacity);
    gw_adaptive_note(upstream_of(call)->adaptive, &rules, now_us - call->info.started_us, now_us,
                     atomic_load_explicit(&call->line->active, memory_order_relaxed));
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

    if (call->line && !gw_line_enter(call->line, limit_of(call), called))
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
    unsigned limit = limit_of(call);

    call->line_wait = NULL;
    gw_timer_stop(&call->try_timer);
    gw_line_done(wait, limit == 0 || atomic_load(&call->line->active) < limit);
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
