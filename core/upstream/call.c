/* The stream that a call is to its owner: what is sent goes to the attempt, or is kept until there
 * is one; what the attempt says goes up.
 *
 * An event upwards is always the last thing a function does: the owner may close the call in it. */
#include "upstream/call.h"

#include "http/h1.h"
#include "upstream/call_private.h"
#include "upstream/hedge.h"

#define RETRIES 5
#define INTERIM_MAX 20            /* heads below 200 before the final one */
#define PENDING_MAX (1024 * 1024) /* more than any stream gives after it was told to stop */
#define MEMORY_PIECE (128 * 1024) /* of a body in memory, given to the connection at once */
/* Of an idempotent request's body: so much is copied for the race on reused connections, where the
 * service does not say how much. */
#define REPLAY_COPY_MAX (16 * 1024)

static struct gw_call *call_of(struct gw_stream *stream)
{
    return container_of(stream, struct gw_call, stream);
}

/* ── failing ───────────────────────────────────────────────────────────────── */

void gw_call_fail(struct gw_call *call, enum gw_error why)
{
    call->state = GW_CALL_FAILED;
    gw_timer_stop(&call->timer);
    gw_timer_stop(&call->try_timer);
    gw_attempt_stop_draining(call, why);
    gw_call_end_pass(call, 0, why);
    gw_attempt_end(call, why);
    if (call->stream.events)
        call->stream.events->on_end(call->stream.owner, why);
}

static void on_fail_defer(struct gw_defer *defer)
{
    struct gw_call *call = container_of(defer, struct gw_call, defer);

    gw_call_fail(call, call->failure);
}

void gw_call_fail_later(struct gw_call *call, enum gw_error why)
{
    call->state = GW_CALL_FAILED;
    call->failure = why;
    gw_timer_stop(&call->try_timer);
    gw_loop_defer(call->options.loop, &call->defer, on_fail_defer);
}

/* ── the request ───────────────────────────────────────────────────────────── */

static void request_is_whole(struct gw_call *call)
{
    call->request_whole = true;
    if (!call->info.sent_us)
        call->info.sent_us = call->options.loop->clock.now_us;
    if (!call->whole_us)
        call->whole_us = call->info.sent_us;
}

/* Sends as much of a body in memory as there is room for. */
static void pump_memory(struct gw_call *call, struct gw_slice body, struct gw_blob *owner)
{
    while (!call->request_whole && !call->blocked) {
        struct gw_slice rest = gw_slice_skip(body, call->body_at);
        struct gw_slice piece =
            gw_slice(rest.ptr, rest.len < MEMORY_PIECE ? rest.len : MEMORY_PIECE);
        bool last = piece.len == rest.len;

        call->body_at += piece.len;
        if (last)
            request_is_whole(call);
        call->blocked = !gw_stream_send_body(call->up, piece, owner, last);
        call->info.bytes_out = call->body_at;
    }
}

/* What went out is not kept any more: no other try can repeat it. */
static void forget_body(struct gw_call *call)
{
    call->body_sent = true;
    gw_buf_deinit(&call->pending);
    gw_buf_init(&call->pending, PENDING_MAX);
}

static void flush_pending(struct gw_call *call)
{
    bool end = call->body_ended && !call->trailers;

    if (call->pending.len == 0 && !end && !call->trailers)
        return;
    if (end)
        request_is_whole(call);
    call->info.bytes_out += call->pending.len;
    call->blocked = !gw_stream_send_body(call->up, gw_buf_slice(&call->pending), NULL, end);
    /* Without rules nothing is tried again after a reset of this connection, which is new. */
    if (call->pending.len > call->replay_max)
        forget_body(call);
    if (call->trailers) {
        request_is_whole(call);
        gw_stream_send_trailers(call->up, call->trailers);
    }
}

void gw_call_flush(struct gw_call *call)
{
    bool has_memory = call->options.has_body && call->options.body.len > 0;

    gw_call_tell_deadline(call);

    gw_stream_send_head(call->up, &call->head, call->head_ends);
    if (call->head_ends)
        request_is_whole(call);
    else if (has_memory)
        pump_memory(call, call->options.body, NULL);
    else if (call->replay)
        pump_memory(call, gw_blob_slice(call->replay), call->replay);
    else
        flush_pending(call);
    gw_call_set_timer(call);
}

void gw_call_tell_room(struct gw_call *call)
{
    if (call->state != GW_CALL_ACTIVE || call->blocked || !call->owner_waits)
        return;
    call->owner_waits = false;
    call->stream.events->on_room(call->stream.owner);
}

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct gw_call *call = call_of(stream);
    const struct gw_call_options *options = &call->options;

    if (call->state != GW_CALL_NEW)
        return;
    call->head = *head;
    call->head.fields = (struct gw_fields){ NULL, 0, 0 };
    gw_fields_copy(&call->head.fields, options->arena, &head->fields);
    call->head_ends = end && !(options->has_body && options->body.len > 0);
    call->body_ended = end;
    if (options->fresh_unless_repeatable && !gw_method_idempotent(head->method))
        call->must_be_fresh = true;
    if (gw_call_may_pass(call))
        gw_attempt_start(call);
}

/* A small body is kept for another try: where the service's rules say so, of an idempotent request
 * on a reused connection, for the race, and of any that the server may refuse to take on. */
static size_t kept_of_body(const struct gw_call *call)
{
    bool may_race = call->shares || (call->info.reused && gw_method_idempotent(call->head.method));

    return call->replay_max ? call->replay_max : may_race ? REPLAY_COPY_MAX : 0;
}

/* A piece that goes straight through. */
static void keep_for_race(struct gw_call *call, struct gw_slice bytes)
{
    if (bytes.len == 0 || call->body_sent)
        return;
    if (call->pending.len + bytes.len > kept_of_body(call)) {
        forget_body(call);
        return;
    }
    if (call->pending.len == 0 && call->pending.max < kept_of_body(call) + PENDING_MAX)
        call->pending.max = kept_of_body(call) + PENDING_MAX;
    if (!gw_buf_append(&call->pending, bytes))
        forget_body(call);
}

static bool keep_until_connected(struct gw_call *call, struct gw_slice bytes, struct gw_blob *owner,
                                 bool end)
{
    if (call->pending.len == 0) /* the first piece is taken whatever its size, and then some */
        call->pending.max = bytes.len + PENDING_MAX;
    call->owner_waits = true;
    call->body_ended = end;
    if (owner && end && call->pending.len == 0 && bytes.ptr == owner->data &&
        bytes.len == owner->len)
        call->replay = gw_blob_ref(owner);
    else if (!gw_buf_append(&call->pending, bytes))
        gw_call_fail_later(call, GW_E_INTERNAL);
    return false;
}

static bool send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                      bool end)
{
    struct gw_call *call = call_of(stream);

    if (bytes.len == 0 && !end)
        return !call->blocked && call->state == GW_CALL_ACTIVE;
    if (call->state == GW_CALL_SEEKING)
        return keep_until_connected(call, bytes, owner, end);
    if (call->state != GW_CALL_ACTIVE)
        return true;
    call->body_ended = end;
    keep_for_race(call, bytes);
    call->info.bytes_out += bytes.len;
    if (end)
        request_is_whole(call);
    call->blocked = !gw_stream_send_body(call->up, bytes, owner, end);
    call->owner_waits = call->blocked;
    gw_call_set_timer(call);
    return !call->blocked;
}

static void send_trailers(struct gw_stream *stream, const struct gw_fields *trailers)
{
    struct gw_call *call = call_of(stream);
    struct gw_fields *kept = gw_arena_alloc_zero(call->options.arena, sizeof(*kept));

    gw_fields_copy(kept, call->options.arena, trailers);
    call->trailers = kept;
    call->body_ended = true;
    if (call->state != GW_CALL_ACTIVE)
        return;
    request_is_whole(call);
    gw_stream_send_trailers(call->up, kept);
    gw_call_set_timer(call);
}

static void hold(struct gw_stream *stream, bool on)
{
    struct gw_call *call = call_of(stream);

    if (call->held == on)
        return;
    call->held = on;
    if (call->state != GW_CALL_ACTIVE)
        return;
    gw_stream_hold(call->up, on);
    gw_call_note_progress(call);
}

static void close_call(struct gw_stream *stream, enum gw_error why)
{
    struct gw_call *call = call_of(stream);

    GW_ASSERT(call->state != GW_CALL_CLOSED);
    call->state = GW_CALL_CLOSED;
    call->stream.events = NULL;
    gw_attempt_stop_draining(call, why);
    gw_timer_stop(&call->timer);
    gw_timer_stop(&call->try_timer);
    gw_defer_cancel(&call->defer);
    gw_call_end_pass(call, 0, GW_OK);
    gw_attempt_end(call, why);
    gw_view_release(call->view);
    call->view = NULL;
    for (unsigned i = 0; i < call->foreign_count; i++)
        gw_target_unref(call->foreign[i]);
    call->foreign_count = 0;
    gw_blob_unref(call->replay);
    call->replay = NULL;
    gw_buf_deinit(&call->pending);
}

/* ── the response ──────────────────────────────────────────────────────────── */

/* Asked only where it makes a difference. */
static bool is_event_stream(const struct gw_call *call, const struct gw_head *head)
{
    const struct gw_slice type = GW_SLICE("text/event-stream");
    const struct gw_service *service = call->options.service;
    const struct gw_slice *value = service && service->has_event_stream_timeout
                                       ? gw_fields_get(&head->fields, GW_SLICE("content-type"))
                                       : NULL;

    return value && value->len >= type.len &&
           gw_slice_equal_nocase(gw_slice(value->ptr, type.len), type) &&
           (value->len == type.len || strchr("; \t", value->ptr[type.len]));
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_call *call = owner;

    if (head->status < 200 && head->status != 101) {
        if (++call->interim > INTERIM_MAX) {
            gw_call_fail(call, GW_E_UPSTREAM_PROTOCOL);
            return;
        }
        gw_call_note_progress(call);
    } else if (gw_attempt_retry_answer(call, head, end)) {
        return;
    } else {
        gw_timer_stop(&call->try_timer);
        call->final_head = true;
        call->tunnel = head->status == 101;
        call->events = is_event_stream(call, head);
        call->response_whole = end;
        call->info.status = head->status;
        call->info.head_us = call->options.loop->clock.now_us;
        gw_attempt_learn(call, head->status, GW_OK);
        gw_call_end_pass(call, head->status, GW_OK);
        gw_call_set_timer(call);
    }
    call->stream.events->on_head(call->stream.owner, head, end);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_call *call = owner;

    call->info.bytes_in += bytes.len;
    call->response_whole = end;
    gw_call_note_progress(call);
    call->stream.events->on_body(call->stream.owner, bytes, end);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_call *call = owner;

    call->response_whole = true;
    gw_call_note_progress(call);
    call->stream.events->on_trailers(call->stream.owner, trailers);
}

static void on_room(void *owner)
{
    struct gw_call *call = owner;

    call->blocked = false;
    if (call->options.has_body && call->options.body.len > 0)
        pump_memory(call, call->options.body, NULL);
    else if (call->replay)
        pump_memory(call, gw_blob_slice(call->replay), call->replay);
    gw_call_set_timer(call);
    gw_call_tell_room(call);
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_call *call = owner;

    if (!gw_attempt_retry(call, why))
        gw_call_fail(call, why);
}

const struct gw_stream_events gw_call_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static const struct gw_stream_ops call_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_trailers = send_trailers,
    .hold = hold,
    .close = close_call,
};

struct gw_stream *gw_call_open_one(const struct gw_call_options *options)
{
    struct gw_call *call = gw_arena_alloc_zero(options->arena, sizeof(*call));

    call->stream.ops = &call_ops;
    call->stream.arena = options->arena;
    call->options = *options;
    call->chosen = -1;
    call->shares = options->service && options->service->http2;
    call->tls = options->service ? options->service->tls : options->tls;
    GW_ASSERT(!options->service || !options->service->tls_config || call->tls);
    gw_buf_init(&call->pending, PENDING_MAX);
    call->retries_left = options->retries >= 0 ? (unsigned)options->retries
                         : options->service    ? options->service->retries
                                               : RETRIES;
    return &call->stream;
}

struct gw_stream *gw_call_open(const struct gw_call_options *options)
{
    bool hedges = options->service && options->service->hedge_after_us;

    return hedges ? gw_hedge_open(options) : gw_call_open_one(options);
}

const struct gw_call_info *gw_call_info(const struct gw_stream *stream)
{
    const struct gw_call_info *info = gw_hedge_info(stream);

    return info ? info : &container_of(stream, struct gw_call, stream)->info;
}
