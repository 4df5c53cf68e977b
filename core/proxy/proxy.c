/* The request's way: ONE table of named steps, run by one loop. A step returns
 *
 * - GW_NEXT: it is done.
 * - GW_WAIT: something was started whose end calls gw_flight_advance() again; the step's function
 *   then runs once more, `woken`.
 * - GW_END: the way is over.
 *
 * No step goes back. A hook that answers, or an error before anything was sent, leaves a reply in
 * x->reply: the steps that would work on the request see it and pass on, `call` opens it in the
 * place of the service, and everything behind sees an answer like any other. What comes from the
 * two sides while a step waits is in sides.c. */
#include "base/log.h"
#include "net/loop.h"
#include "proxy/flight.h"
#include "proxy/mirror.h"

#define LOG_HOOKS_MAX_US 10000000ull

enum gw_next {
    GW_NEXT,
    GW_WAIT,
    GW_END
};

static void on_phase_done(struct gw_exchange *x)
{
    gw_flight_advance(gw_flight_of(x));
}

static enum gw_next run_hooks(struct gw_exchange *x, enum gw_phase phase)
{
    if (!gw_flight_has_hooks(gw_flight_of(x), phase))
        return GW_NEXT;

    enum gw_run_result result = gw_phase_run(x, phase, on_phase_done);

    /* Hooks compute: without a look at the clock a slow one would cost no time in the log, and the
     * timers that start next would be short by it. Behind the log hooks nothing is measured. */
    if (phase != GW_PHASE_LOG)
        gw_clock_catch_up(&x->loop->clock);
    return result == GW_RUN_WAITS ? GW_WAIT : GW_NEXT;
}

/* ── the steps ─────────────────────────────────────────────────────────────── */

static enum gw_next step_rewrite(struct gw_flight *flight, bool woken)
{
    struct gw_exchange *x = &flight->x;

    if (!woken && run_hooks(x, GW_PHASE_REWRITE) == GW_WAIT)
        return GW_WAIT;
    x->times.rewrite_end = x->loop->clock.now_us;
    return GW_NEXT;
}

static enum gw_next step_route(struct gw_flight *flight, bool woken)
{
    (void)woken;
    if (!flight->x.reply)
        gw_flight_route(flight);
    return GW_NEXT;
}

static enum gw_next step_access(struct gw_flight *flight, bool woken)
{
    struct gw_exchange *x = &flight->x;

    if (!woken) {
        x->times.access_start = x->loop->clock.now_us;
        if (!x->reply && run_hooks(x, GW_PHASE_ACCESS) == GW_WAIT)
            return GW_WAIT;
    }
    x->times.access_end = x->loop->clock.now_us;
    return GW_NEXT;
}

static enum gw_next step_call(struct gw_flight *flight, bool woken)
{
    struct gw_exchange *x = &flight->x;
    enum gw_error error;

    if (!woken) {
        x->times.call_start = x->loop->clock.now_us;
        if (!x->reply && gw_flight_pipe_request(flight))
            return GW_WAIT;
    }
    if (!x->reply && (error = gw_flight_call(flight)))
        gw_flight_refuse(flight, error);
    if (x->reply)
        gw_flight_open_reply(flight);
    return GW_NEXT;
}

static enum gw_next step_head(struct gw_flight *flight, bool woken)
{
    (void)woken;
    return flight->head_here ? GW_NEXT : GW_WAIT;
}

static enum gw_next step_response(struct gw_flight *flight, bool woken)
{
    return woken ? GW_NEXT : run_hooks(&flight->x, GW_PHASE_RESPONSE);
}

static enum gw_next step_respond(struct gw_flight *flight, bool woken)
{
    if (!woken)
        gw_flight_respond(flight);
    return gw_flight_responded(flight) ? GW_NEXT : GW_WAIT;
}

static void release_holds(struct gw_exchange *x)
{
    GW_LIST_EACH(&x->holds, node) {
        struct gw_hold *hold = container_of(node, struct gw_hold, node);

        gw_list_remove(node);
        hold->release(hold);
    }
}

static void note_call(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (!flight->call)
        return;
    x->counts.tries = flight->call->tries;
    x->upstream_address = gw_slice_from(flight->call->target);
    x->upstream_status = flight->call->status;
    x->upstream_started_us = flight->call->started_us;
    x->failed_tries = flight->call->failed;
}

static enum gw_next step_finish(struct gw_flight *flight, bool woken)
{
    struct gw_exchange *x = &flight->x;
    struct gw_stream *down = x->down;
    enum gw_error why = flight->cut ? (x->error ? x->error : GW_E_INTERNAL) : GW_OK;

    (void)woken;
    gw_timer_stop(&flight->total);
    gw_timer_stop(&flight->pace);
    gw_readers_cancel(flight);
    if (flight->cut)
        gw_flight_end_call(flight, why);
    gw_relay_stop(&flight->to_service);
    gw_relay_stop(&flight->to_client);
    gw_mirror_leave(flight);
    gw_flight_close_up(flight, why);
    note_call(flight);
    x->counts.bytes_out = flight->to_client.bytes;
    x->times.end = x->loop->clock.now_us;
    x->down = NULL;
    if (down)
        gw_stream_close(down, why);
    release_holds(x);
    return GW_NEXT;
}

static void on_log_hooks_slow(struct gw_timer *timer)
{
    struct gw_flight *flight = container_of(timer, struct gw_flight, total);

    gw_warn("request %.*s: log hooks were ended after %llu s",
            GW_SLICE_ARG(flight->x.correlation_id), LOG_HOOKS_MAX_US / 1000000);
    gw_phase_cancel(&flight->x);
    gw_flight_advance(flight);
}

static enum gw_next step_log(struct gw_flight *flight, bool woken)
{
    struct gw_exchange *x = &flight->x;

    if (!woken) {
        gw_flight_record(flight);
        if (run_hooks(x, GW_PHASE_LOG) == GW_WAIT) {
            gw_timer_start(x->loop, &flight->total, LOG_HOOKS_MAX_US, on_log_hooks_slow);
            return GW_WAIT;
        }
    }
    gw_timer_stop(&flight->total);
    return GW_NEXT;
}

static void on_free_later(struct gw_defer *defer)
{
    gw_flight_free(container_of(defer, struct gw_flight, free_later));
}

/* Not at once: the stream whose event brought us here may still stand in the arena. */
static enum gw_next step_free(struct gw_flight *flight, bool woken)
{
    (void)woken;
    gw_flight_drop_script(flight);
    gw_loop_defer(flight->x.loop, &flight->free_later, on_free_later);
    return GW_END;
}

/* ── the loop ──────────────────────────────────────────────────────────────── */

static enum gw_next (*const steps[GW_STEP_COUNT])(struct gw_flight *flight, bool woken) = {
    [GW_STEP_REWRITE] = step_rewrite,   /* global plugins, before routing */
    [GW_STEP_ROUTE] = step_route,       /* which route: 404, 405, 413 */
    [GW_STEP_ACCESS] = step_access,     /* scoped rewrite hooks, then access */
    [GW_STEP_CALL] = step_call,         /* to the service, or a reply in its place */
    [GW_STEP_HEAD] = step_head,         /* waits for the response head */
    [GW_STEP_RESPONSE] = step_response, /* response hooks */
    [GW_STEP_RESPOND] = step_respond,   /* head and body to the client */
    [GW_STEP_FINISH] = step_finish,     /* the client's connection is free again */
    [GW_STEP_LOG] = step_log,           /* access log, metrics, log hooks */
    [GW_STEP_FREE] = step_free,
};

static void set_step(struct gw_flight *flight, enum gw_step to)
{
    struct gw_exchange *x = &flight->x;

    GW_ASSERT(to == x->step + 1 || (to == GW_STEP_FINISH && x->step < GW_STEP_FINISH));
    gw_debug("request %.*s: %s", GW_SLICE_ARG(x->correlation_id), gw_step_name(to));
    x->step = to;
    flight->entered = false;
}

void gw_flight_advance(struct gw_flight *flight)
{
    GW_ASSERT(!flight->advancing);
    flight->advancing = true;
    for (;;) {
        bool woken = flight->entered;

        flight->entered = true;

        enum gw_next next = steps[flight->x.step](flight, woken);

        if (next != GW_NEXT)
            break;
        set_step(flight, flight->x.step + 1);
    }
    flight->advancing = false;
    gw_flight_set_holds(flight);
}

void gw_flight_abandon(struct gw_flight *flight, enum gw_error why)
{
    struct gw_exchange *x = &flight->x;

    if (x->step >= GW_STEP_FINISH)
        return;
    if (!x->error)
        x->error = why;
    flight->cut = true;
    if (x->script)
        gw_phase_cancel(x);
    set_step(flight, GW_STEP_FINISH);
    gw_flight_advance(flight);
}

void gw_flight_fail(struct gw_flight *flight, enum gw_error why)
{
    struct gw_exchange *x = &flight->x;

    if (x->step >= GW_STEP_RESPOND) {
        gw_flight_abandon(flight, why);
        return;
    }
    if (x->script)
        gw_phase_cancel(x);
    gw_readers_cancel(flight);
    gw_relay_stop(&flight->to_service);
    gw_flight_close_up(flight, why);
    gw_flight_refuse(flight, why);
    if (x->step == GW_STEP_HEAD)
        gw_flight_open_reply(flight);
    gw_flight_advance(flight);
}
