/* What comes from the two sides of a flight: the client's stream and the service's (or a reply's).
 * Each event is judged by who wants it now: a reader that collects, a relay that passes on, or
 * nobody, in which case the side is held. An event that may move the flight to another step does so
 * as the last thing. */
#include "net/loop.h"
#include "proxy/flight.h"

/* ── holding ───────────────────────────────────────────────────────────────── */

static bool wants_request(const struct gw_flight *flight)
{
    return gw_readers_want(flight, GW_BODY_OF_REQUEST) || gw_relay_wants(&flight->to_service);
}

static bool wants_response(const struct gw_flight *flight)
{
    return !flight->head_here || gw_readers_want(flight, GW_BODY_OF_RESPONSE) ||
           gw_relay_wants(&flight->to_client);
}

static void set_hold(struct gw_stream *stream, bool *held, bool on)
{
    if (*held == on)
        return;
    *held = on;
    gw_stream_hold(stream, on);
}

void gw_flight_set_holds(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    bool down_was_held = flight->down_held;

    if (x->down && !flight->request_ended)
        set_hold(x->down, &flight->down_held, !wants_request(flight));
    if (down_was_held && !flight->down_held && gw_timer_running(&flight->pace))
        gw_flight_watch_pace(flight); /* the client could not send: its time begins anew */
    if (x->up && !flight->response_ended)
        set_hold(x->up, &flight->up_held, !wants_response(flight));
}

/* The end of every event: relays may have ended, which is what `respond` waits for, or a body hook
 * may have failed. */
static void after_event(struct gw_flight *flight)
{
    if (flight->to_service.broken || flight->to_client.broken)
        gw_flight_break_frames(flight);
    else if (flight->to_service.failed)
        gw_flight_fail(flight, GW_E_PLUGIN);
    else if (flight->to_client.failed)
        gw_flight_abandon(flight, GW_E_PLUGIN);
    else if (flight->x.step == GW_STEP_RESPOND && gw_flight_responded(flight))
        gw_flight_advance(flight);
    else
        gw_flight_set_holds(flight);
}

void gw_flight_close_up(struct gw_flight *flight, enum gw_error why)
{
    struct gw_exchange *x = &flight->x;
    struct gw_stream *up = x->up;

    x->up = NULL;
    flight->up_held = false;
    if (up)
        gw_stream_close(up, why);
    if (flight->calling)
        gw_count_call_ended(&x->proxy->counters, &flight->epoch->series, x, flight->call, why);
    flight->calling = false;
}

static void watch_reader(struct gw_flight *flight)
{
    if (flight->to_client.blocked && !gw_timer_running(&flight->pace))
        gw_flight_watch_pace(flight);
}

/* ── from the client ───────────────────────────────────────────────────────── */

/* More than the limit, a hook's or limits.body, of a body whose length was not told before (routing
 * and hooks judged the others). */
static bool is_too_large(const struct gw_flight *flight)
{
    int64_t limit = flight->x.limits->body, own = flight->x.body_limit;

    if (own >= 0 && (limit < 0 || own < limit))
        limit = own;
    return !flight->tunnel && limit >= 0 && flight->x.counts.bytes_in > (uint64_t)limit;
}

static void on_down_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_flight *flight = owner;

    flight->x.counts.bytes_in += bytes.len;
    flight->request_ended = end;
    if (is_too_large(flight)) {
        gw_flight_fail(flight, GW_E_BODY_TOO_LARGE);
        return;
    }
    if (gw_readers_want(flight, GW_BODY_OF_REQUEST))
        gw_readers_take(flight, GW_BODY_OF_REQUEST, bytes, end);
    else
        gw_relay_take(&flight->to_service, bytes, end);
    after_event(flight);
}

static void on_down_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_flight *flight = owner;

    flight->request_ended = true;
    if (gw_readers_want(flight, GW_BODY_OF_REQUEST)) {
        flight->request_trailers = trailers;
        gw_readers_take(flight, GW_BODY_OF_REQUEST, GW_SLICE_EMPTY, true);
    } else {
        gw_relay_end_with(&flight->to_service, trailers);
    }
    after_event(flight);
}

static void on_down_room(void *owner)
{
    struct gw_flight *flight = owner;

    gw_relay_go_on(&flight->to_client);
    after_event(flight);
}

static void on_down_bad(void *owner, enum gw_error why)
{
    struct gw_flight *flight = owner;

    flight->request_ended = true;
    gw_flight_fail(flight, why);
}

/* Where what it sent was wrong and nothing was answered yet, the codec answers with the error's
 * bare status when it is closed. */
static void on_down_end(void *owner, enum gw_error why)
{
    struct gw_flight *flight = owner;
    const struct gw_error_info *info = gw_error_info(why);
    bool is_told = info->status >= 400 && info->status != 499;

    /* Of a tunnel whose other side has ended there is nothing left to lose. */
    if (flight->tunnel && flight->x.step == GW_STEP_RESPOND && flight->to_client.ended) {
        flight->to_service.ended = true;
        gw_flight_advance(flight);
        return;
    }
    gw_flight_abandon(owner, is_told ? why : GW_E_CLIENT_GONE);
}

const struct gw_stream_events gw_down_events = {
    .on_body = on_down_body,
    .on_trailers = on_down_trailers,
    .on_room = on_down_room,
    .on_end = on_down_end,
    .on_bad = on_down_bad,
};

/* ── from the service ──────────────────────────────────────────────────────── */

/* An interim head travels end to end (RFC 9110 15.2), but not to a client that cannot read it. */
static void pass_interim(struct gw_flight *flight, struct gw_head *head)
{
    struct gw_exchange *x = &flight->x;
    bool again = head->status == 100 && (flight->asked_for_body || !x->request.expect_continue);

    if (head->status == 100)
        flight->asked_for_body = true;
    if (x->request.version >= 11 && !again)
        gw_stream_send_head(x->down, head, false);
}

/* A client of HTTP/2 reads every 2xx as its WebSocket. */
static bool is_false_tunnel(const struct gw_flight *flight, int status)
{
    const struct gw_head *request = &flight->x.request;

    return request->version == 20 && request->protocol.len && status >= 200 && status < 300;
}

static void on_up_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_flight *flight = owner;

    if (flight->x.response_started) /* of a reply that was made after the head had come */
        return;
    if (head->status < 200 && head->status != 101) {
        pass_interim(flight, head);
        return;
    }
    if (head->status == 101 && flight->x.request.protocol.len == 0) {
        gw_flight_fail(flight, GW_E_UPSTREAM_PROTOCOL);
        return;
    }
    if (flight->calling && is_false_tunnel(flight, head->status)) {
        gw_flight_fail(flight, GW_E_UPSTREAM_PROTOCOL);
        return;
    }
    gw_flight_take_head(flight, head, end);
    gw_flight_advance(flight);
}

static void on_up_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_flight *flight = owner;

    flight->response_ended = end;
    if (gw_readers_want(flight, GW_BODY_OF_RESPONSE))
        gw_readers_take(flight, GW_BODY_OF_RESPONSE, bytes, end);
    else
        gw_relay_take(&flight->to_client, bytes, end);
    watch_reader(flight);
    after_event(flight);
}

static void on_up_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_flight *flight = owner;

    flight->response_ended = true;
    flight->x.received_trailers = trailers;
    if (gw_readers_want(flight, GW_BODY_OF_RESPONSE)) {
        flight->response_trailers = trailers;
        gw_readers_take(flight, GW_BODY_OF_RESPONSE, GW_SLICE_EMPTY, true);
    } else {
        gw_relay_end_with(&flight->to_client, trailers);
    }
    after_event(flight);
}

static void on_up_room(void *owner)
{
    struct gw_flight *flight = owner;

    gw_relay_go_on(&flight->to_service);
    after_event(flight);
}

/* While a response hook waits nothing can be answered: it is told if it reads the body, and
 * `respond` finds the error. */
static void on_up_end(void *owner, enum gw_error why)
{
    struct gw_flight *flight = owner;

    if (flight->x.step != GW_STEP_RESPONSE) {
        gw_flight_fail(flight, why);
        return;
    }
    flight->up_error = why;
    gw_relay_stop(&flight->to_service);
    gw_flight_close_up(flight, why);
    gw_readers_fail(flight, GW_BODY_OF_RESPONSE, why);
}

/* ── from body hooks that waited ───────────────────────────────────────────── */

void gw_flight_on_piped(struct gw_exchange *x, enum gw_phase phase, bool failed,
                        struct gw_slice out)
{
    struct gw_flight *flight = gw_flight_of(x);

    gw_clock_catch_up(&x->loop->clock); /* hooks compute */
    if (x->step == GW_STEP_CALL) {
        gw_flight_take_request(flight, failed, out);
        gw_flight_advance(flight);
        return;
    }
    gw_relay_piped(phase == GW_PHASE_BODY ? &flight->to_client : &flight->to_service, failed, out);
    watch_reader(flight);
    after_event(flight);
}

/* ── from throttles ────────────────────────────────────────────────────────── */

static void go_on(struct gw_flight *flight, struct gw_relay *relay)
{
    gw_relay_resume(relay);
    watch_reader(flight);
    after_event(flight);
}

static void on_to_service_ready(struct gw_throttle *throttle)
{
    struct gw_flight *flight = throttle->owner;

    go_on(flight, &flight->to_service);
}

static void on_to_client_ready(struct gw_throttle *throttle)
{
    struct gw_flight *flight = throttle->owner;

    go_on(flight, &flight->to_client);
}

void gw_flight_throttle(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (x->pace[0])
        flight->to_service.throttle =
            gw_throttle_of(flight->to_service.throttle, x, x->pace[0], on_to_service_ready, flight);
    if (x->pace[1])
        flight->to_client.throttle =
            gw_throttle_of(flight->to_client.throttle, x, x->pace[1], on_to_client_ready, flight);
}

const struct gw_stream_events gw_up_events = {
    .on_head = on_up_head,
    .on_body = on_up_body,
    .on_trailers = on_up_trailers,
    .on_room = on_up_room,
    .on_end = on_up_end,
};
