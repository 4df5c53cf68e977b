/* From an answer, whoever made it, to what the client gets. The body comes from one of three
 * places: the stream in x->up, a buffer that hooks collected or replaced, or a reply that was made
 * after the head had come. */
#include "config/config.h"
#include "http/h1.h"
#include "http/hop.h"
#include "http/problem.h"
#include "proxy/flight.h"

/* ── replies ───────────────────────────────────────────────────────────────── */

static void set_reply(struct gw_exchange *x, struct gw_reply *reply)
{
    if (x->reply)
        gw_blob_unref(x->reply->body);
    x->reply = reply;
}

/* Errors of a call that knows when another request makes sense. */
static bool says_when(enum gw_error why)
{
    return why == GW_E_BREAKER_OPEN || why == GW_E_UPSTREAM_FULL || why == GW_E_UPSTREAM_WAIT;
}

/* What an open breaker's configuration wants to be answered in the place of its problem. */
static void answer_instead(struct gw_exchange *x, const struct gw_breaker_config *breaker)
{
    struct gw_reply *reply = x->reply;

    if (!breaker || !breaker->fallback_status)
        return;
    reply->status = breaker->fallback_status;
    gw_blob_unref(reply->body);
    reply->body = breaker->fallback_body.len ? gw_blob_new(breaker->fallback_body) : NULL;
    gw_fields_remove(&reply->fields, GW_SLICE("content-type"));
    if (reply->body)
        gw_fields_add(&reply->fields, x->arena, GW_SLICE("content-type"), breaker->fallback_type);
}

void gw_flight_refuse(struct gw_flight *flight, enum gw_error why)
{
    struct gw_exchange *x = &flight->x;

    set_reply(x, gw_problem_from_error(x, why));
    x->error = why;
    if (says_when(why) && flight->call)
        gw_fields_set(&x->reply->fields, x->arena, GW_SLICE("retry-after"),
                      gw_arena_printf(x->arena, "%llu",
                                      (flight->call->retry_after_us + 999999ull) / 1000000ull));
    if (why == GW_E_BREAKER_OPEN && flight->call)
        answer_instead(x, flight->call->refused_by);
}

void gw_flight_refuse_saying(struct gw_flight *flight, enum gw_error why, const char *detail)
{
    const struct gw_error_info *info = gw_error_info(why);
    struct gw_problem problem = { .detail = gw_slice_from(detail),
                                  .reason = gw_slice_from(info->reason),
                                  .error = why };

    set_reply(&flight->x, gw_problem_new(&flight->x, info->status, &problem));
    flight->x.error = why;
}

static void bind_reply(struct gw_flight *flight, struct gw_reply *reply)
{
    struct gw_exchange *x = &flight->x;

    flight->replying = true;
    flight->response_ended = false;
    x->up = gw_reply_stream_open(x->loop, x->arena, reply);
    gw_stream_bind(x->up, &gw_up_events, flight);
}

void gw_flight_open_reply(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_reply *reply = x->reply;

    gw_flight_close_up(flight, GW_E_CANCELLED);
    x->reply = NULL;
    if (reply->error)
        x->error = reply->error;
    flight->message = reply->message;
    bind_reply(flight, reply);
}

/* ── the head that came ────────────────────────────────────────────────────── */

static bool hooks_may_edit(struct gw_exchange *x)
{
    return x->response_edits.first || gw_flight_has_hooks(gw_flight_of(x), GW_PHASE_RESPONSE) ||
           gw_flight_has_hooks(gw_flight_of(x), GW_PHASE_BODY);
}

void gw_flight_take_head(struct gw_flight *flight, struct gw_head *head, bool end)
{
    struct gw_exchange *x = &flight->x;

    flight->head_here = true;
    flight->response_ended = end;
    flight->tunnel = head->status == 101;
    x->times.head = x->loop->clock.now_us;
    if (!flight->replying) {
        gw_hop_clean_response(&head->fields);
        x->received = head;
        if (flight->call && flight->call->set_cookie.len)
            gw_edits_add(&x->response_edits, x->arena, GW_EDIT_ADD, GW_SLICE("set-cookie"),
                         flight->call->set_cookie);
    }
    x->response = *head;
    if (hooks_may_edit(x)) { /* what was received stays as it came */
        x->response.fields = (struct gw_fields){ NULL, 0, 0 };
        gw_fields_copy(&x->response.fields, x->arena, &head->fields);
    }
    flight->edits = x->response_edits;
    gw_edits_apply(&x->response_edits, &x->response.fields, x->arena);
}

/* ── responding ────────────────────────────────────────────────────────────── */

/* What of the body is in memory already. */
struct source {
    struct gw_slice memory;
    struct gw_blob *owner;
    bool all; /* nothing comes behind it */
    const struct gw_fields *trailers;
};

/* A reply that came after the head: a response hook answered, or the service's stream ended in
 * between. */
static struct source from_reply(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_reply *reply = x->reply;
    struct gw_slice body = reply->body ? gw_blob_slice(reply->body) : GW_SLICE_EMPTY;

    gw_relay_stop(&flight->to_service);
    gw_flight_close_up(flight, GW_E_CANCELLED);
    if (reply->error)
        x->error = reply->error;
    flight->message = reply->message;
    flight->tunnel = false;
    x->response = (struct gw_head){
        .status = reply->status,
        .version = 11,
        .fields = reply->fields,
        .body_length = reply->open ? GW_BODY_UNKNOWN : (int64_t)body.len,
    };
    gw_edits_apply(&flight->edits, &x->response.fields, x->arena);
    if (reply->open) {
        bind_reply(flight, reply);
        return (struct source){ GW_SLICE_EMPTY, NULL, false, NULL };
    }
    return (struct source){ body, reply->body, true, NULL };
}

static struct source from_collected(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_slice body = gw_buf_slice(&x->response_body);
    bool whole = x->response_body_replaced || x->response_body_whole || flight->response_ended;

    if (x->response_body_replaced) {
        body = gw_buf_slice(&x->new_body);
        gw_flight_close_up(flight, GW_E_CANCELLED);
        x->response.body_length = (int64_t)body.len;
        return (struct source){ body, NULL, true, NULL };
    }
    if (whole && x->response.body_length == GW_BODY_UNKNOWN && !flight->response_trailers)
        x->response.body_length = (int64_t)body.len;
    return (struct source){ body, NULL, whole, whole ? flight->response_trailers : NULL };
}

static struct source choose_source(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    bool needs_service = !x->response_body_replaced && !x->response_body_whole;

    if (!x->reply && flight->up_error && needs_service)
        gw_flight_refuse(flight, flight->up_error);
    return x->reply ? from_reply(flight) : from_collected(flight);
}

static void start_tunnel(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    flight->request_ended = false;
    gw_relay_hook(&flight->to_service, NULL, GW_PHASE_REQUEST_BODY);
    gw_flight_read_frames(flight);
    gw_relay_start(&flight->to_client, x->down, GW_SLICE_EMPTY, NULL, false, NULL);
    gw_relay_start(&flight->to_service, x->up, GW_SLICE_EMPTY, NULL, false, NULL);
}

/* Body hooks may change every byte, so what was said of the bytes goes, also where there are none
 * (HEAD, 304). */
static bool put_hooks_between(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (flight->tunnel || !gw_flight_has_hooks(flight, GW_PHASE_BODY))
        return false;
    if (x->response.body_length >= 0)
        x->response.body_length = GW_BODY_UNKNOWN;
    gw_hop_loosen_body(&x->response.fields, x->arena);
    gw_relay_hook(&flight->to_client, x, GW_PHASE_BODY);
    return true;
}

/* Only a body without a length has room for trailers. */
static bool add_trailers(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (flight->tunnel || x->trailers.count == 0)
        return false;
    if (x->response.body_length >= 0)
        x->response.body_length = GW_BODY_UNKNOWN;
    return true;
}

/* The queue of the client's connection is as long as the route wants it. */
static void limit_queue(struct gw_exchange *x)
{
    struct gw_conn *conn = gw_stream_conn(x->down);

    if (conn && x->limits->write_queue)
        gw_conn_set_write_limit(conn, x->limits->write_queue);
}

void gw_flight_respond(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct source source = choose_source(flight);
    bool no_body =
        gw_flight_answer_call(flight) ||
        (gw_status_has_no_body(x->response.status, x->request.method) && !flight->tunnel);
    bool more = put_hooks_between(flight) || add_trailers(flight);
    bool end = no_body || (source.all && source.memory.len == 0 && !source.trailers && !more);

    x->times.respond = x->loop->clock.now_us;
    x->response_started = true;
    if (!end)
        limit_queue(x);
    gw_stream_send_head(x->down, &x->response, end);
    gw_flight_throttle(flight);
    if (flight->tunnel) {
        start_tunnel(flight);
        return;
    }
    flight->to_client.added = &x->trailers;
    if (end)
        flight->to_client.ended = true;
    else
        gw_relay_start(&flight->to_client, x->down, source.memory, source.owner, source.all,
                       source.trailers);
    if (flight->to_client.failed) {
        x->error = GW_E_PLUGIN;
        flight->cut = true;
    }
    if (flight->to_client.blocked)
        gw_flight_watch_pace(flight);
}

bool gw_flight_responded(const struct gw_flight *flight)
{
    return flight->to_client.failed ||
           (flight->to_client.ended && (!flight->tunnel || flight->to_service.ended));
}
