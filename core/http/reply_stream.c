#include "http/reply_stream.h"

#include "base/check.h"

/* So much a time, that a held reader is not run over. */
#define PIECE (64 * 1024)

struct gw_reply_stream {
    struct gw_stream stream;
    struct gw_loop *loop;
    struct gw_reply *reply;
    struct gw_defer work;
    size_t at; /* of the body */
    bool head_told, done, held;
};

static const struct gw_stream_ops reply_ops;

static void work(struct gw_defer *defer);

static struct gw_reply_stream *reply_of(struct gw_stream *stream)
{
    return container_of(stream, struct gw_reply_stream, stream);
}

static void schedule(struct gw_reply_stream *reply)
{
    gw_loop_defer(reply->loop, &reply->work, work);
}

static struct gw_head *make_head(struct gw_reply_stream *reply)
{
    struct gw_head *head = gw_arena_alloc_zero(reply->stream.arena, sizeof(*head));

    head->status = reply->reply->status;
    head->protocol = reply->reply->protocol;
    head->version = 11;
    head->fields = reply->reply->fields;
    head->body_length = reply->reply->body ? (int64_t)reply->reply->body->len : 0;
    return head;
}

/* One event a call, since each may hold or close. */
static void work(struct gw_defer *defer)
{
    struct gw_reply_stream *reply = container_of(defer, struct gw_reply_stream, work);
    struct gw_stream *stream = &reply->stream;
    struct gw_blob *body = reply->reply->body;
    size_t len = body ? body->len : 0;

    if (!stream->events || reply->done)
        return;
    if (!reply->head_told) {
        reply->head_told = true;
        reply->done = len == 0;
        if (!reply->done)
            schedule(reply);
        stream->events->on_head(stream->owner, make_head(reply), reply->done);
        return;
    }
    if (reply->held)
        return;

    struct gw_slice piece = gw_slice_skip(gw_blob_slice(body), reply->at);

    if (piece.len > PIECE)
        piece.len = PIECE;
    reply->at += piece.len;
    reply->done = reply->at == len;
    if (!reply->done)
        schedule(reply);
    stream->events->on_body(stream->owner, piece, reply->done);
}

/* ── the request, which nobody reads ───────────────────────────────────────── */

void gw_reply_drop_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    (void)stream;
    (void)head;
    (void)end;
}

bool gw_reply_drop_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                        bool end)
{
    (void)stream;
    (void)bytes;
    (void)owner;
    (void)end;
    return true;
}

void gw_reply_drop_trailers(struct gw_stream *stream, const struct gw_fields *trailers)
{
    (void)stream;
    (void)trailers;
}

static void hold(struct gw_stream *stream, bool on)
{
    struct gw_reply_stream *reply = reply_of(stream);

    reply->held = on;
    if (!on)
        schedule(reply);
}

static void close_stream(struct gw_stream *stream, enum gw_error why)
{
    struct gw_reply_stream *reply = reply_of(stream);

    (void)why;
    gw_defer_cancel(&reply->work);
    reply->done = true;
    stream->events = NULL;
    gw_blob_unref(reply->reply->body);
    reply->reply->body = NULL;
}

static const struct gw_stream_ops reply_ops = {
    .send_head = gw_reply_drop_head,
    .send_body = gw_reply_drop_body,
    .send_trailers = gw_reply_drop_trailers,
    .hold = hold,
    .close = close_stream,
};

struct gw_stream *gw_reply_stream_open(struct gw_loop *loop, struct gw_arena *arena,
                                       struct gw_reply *reply)
{
    if (reply->open)
        return reply->open(reply);

    struct gw_reply_stream *made = gw_arena_alloc_zero(arena, sizeof(*made));

    made->stream.ops = &reply_ops;
    made->stream.arena = arena;
    made->loop = loop;
    made->reply = reply;
    schedule(made);
    return &made->stream;
}
