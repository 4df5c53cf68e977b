/* Bytes of a body that go. They wait in `out` until nghttp2 asks for them, which it does as the
 * peer's windows allow. A piece that is worth a write of its own goes out from where it lies, and
 * only what the peer does not take yet is copied. */
#include "http/h2_session.h"

#include "base/alloc.h"

#define ROOM_MOST (128 * 1024) /* of bytes that wait on one stream, when there are few */
#define ROOM_LEAST (16 * 1024)
#define ROOM_ALL (512 * 1024)
#define LEND_FROM (16 * 1024) /* smaller ones go with those of other streams */

/* ── into frames ───────────────────────────────────────────────────────────── */

/* A client's tunnel that nobody has opened yet: the request is whole only if it is declined. */
static bool awaits_tunnel(const struct gw_h2_stream *stream)
{
    return stream->asks_tunnel && !stream->tunnel && !stream->session->is_server;
}

ssize_t gw_h2_stream_read(nghttp2_session *engine, int32_t id, uint8_t *buffer, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct gw_h2_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    size_t got;

    (void)buffer;
    (void)source;
    (void)ctx;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (stream->session->blocked)
        return NGHTTP2_ERR_PAUSE;
    got = len < stream->out_bytes ? len : stream->out_bytes;
    stream->out_bytes -= got;
    stream->framed += got;
    if (got)
        *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->wants_room)
        gw_h2_stream_wake(stream);
    if (got)
        gw_h2_guard_forgive(&stream->session->guard, GW_H2_EMPTY, 1);
    if (stream->out_ended && stream->out_bytes == 0 && !awaits_tunnel(stream)) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->out_trailers) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            nghttp2_submit_trailer(engine, id, stream->out_trailers, stream->out_trailer_count);
        }
        return (ssize_t)got;
    }
    if (got == 0) {
        stream->deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    return (ssize_t)got;
}

/* The first chunk, or a part of it. */
static size_t frame_chunk(struct gw_h2_stream *stream, struct gw_list_node *node, size_t len)
{
    struct gw_h2_session *session = stream->session;
    struct gw_chunk *chunk = container_of(node, struct gw_chunk, node);
    size_t left = chunk->len - stream->out_read;
    size_t piece = left < len ? left : len;

    gw_h2_room_add_body(session, gw_slice(chunk->ptr + stream->out_read, piece));
    stream->out_read += piece;
    if (piece == left) {
        gw_list_remove(node);
        gw_h2_room_spend(session, node);
        stream->out_read = 0;
    }
    return piece;
}

void gw_h2_stream_frame_out(struct gw_h2_stream *stream, size_t len)
{
    struct gw_list_node *node;

    while (len && (node = gw_list_first(&stream->out)))
        len -= frame_chunk(stream, node, len);
    if (len == 0)
        return;
    GW_ASSERT(len <= stream->lent.len);
    gw_h2_room_add_body(stream->session, gw_slice(stream->lent.ptr, len));
    stream->lent = gw_slice_skip(stream->lent, len);
}

static void resume(struct gw_h2_stream *stream)
{
    if (!stream->live)
        return;
    if (stream->deferred) {
        stream->deferred = false;
        nghttp2_session_resume_data(stream->session->engine, stream->id);
    }
    gw_h2_session_flush_later(stream->session);
}

void gw_h2_stream_drop_out(struct gw_h2_stream *stream)
{
    GW_LIST_EACH(&stream->out, node) { /* parts of a write may point into the first */
        gw_list_remove(node);
        gw_h2_room_spend(stream->session, node);
    }
    if (!stream->session->flushing)
        gw_chunks_free(&gw_h2_room_of(stream->session->loop)->spent);
    stream->lent = GW_SLICE_EMPTY;
    stream->out_bytes = stream->out_read = 0;
    gw_free(stream->out_trailers);
    stream->out_trailers = NULL;
}

/* ── room ──────────────────────────────────────────────────────────────────── */

static size_t room_of(const struct gw_h2_stream *stream)
{
    unsigned streams = stream->session->owned ? stream->session->owned : 1;
    size_t room = ROOM_ALL / streams;

    return room > ROOM_MOST ? ROOM_MOST : room < ROOM_LEAST ? ROOM_LEAST : room;
}

static bool has_room(struct gw_h2_stream *stream)
{
    if (stream->out_bytes <= room_of(stream))
        return true;
    stream->wants_room = true;
    return false;
}

void gw_h2_stream_tell_room(struct gw_h2_stream *stream)
{
    const struct gw_stream_events *events = stream->stream.events;

    if (!stream->wants_room || stream->failing || stream->out_bytes > room_of(stream) / 2)
        return;
    stream->wants_room = false;
    if (events && events->on_room)
        events->on_room(stream->stream.owner);
}

/* ── what its owner gives ──────────────────────────────────────────────────── */

void gw_h2_stream_begin_out(struct gw_h2_stream *stream, const struct gw_head *head, bool end)
{
    stream->out_started = true;
    stream->out_ended = end;
    stream->remaining = head->body_length;
}

void gw_h2_stream_open_tunnel(struct gw_h2_stream *stream)
{
    stream->tunnel = true;
    stream->in_done = stream->out_ended = stream->out_no_body = false;
    stream->out_started = true;
    stream->remaining = -1;
    gw_h2_stream_wake(stream);
}

void gw_h2_stream_decline_tunnel(struct gw_h2_stream *stream)
{
    stream->asks_tunnel = false;
    resume(stream);
}

/* Where the declared length is not kept. */
static bool is_wrong(const struct gw_h2_stream *stream, size_t len, bool end)
{
    if (stream->remaining < 0 || stream->out_no_body)
        return false;
    return (uint64_t)len > (uint64_t)stream->remaining ||
           (end && (uint64_t)len != (uint64_t)stream->remaining);
}

/* In one turn with all that is on its way to the peer. */
static void lend(struct gw_h2_stream *stream, struct gw_slice bytes)
{
    stream->lent = bytes;
    resume(stream);
    gw_h2_session_flush_now(stream->session);
    if (stream->lent.len)
        gw_chunks_append(&stream->out, stream->lent, NULL);
    stream->lent = GW_SLICE_EMPTY;
}

bool gw_h2_stream_send_body(struct gw_stream *base, struct gw_slice bytes, struct gw_blob *owner,
                            bool end)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);

    if (stream->failing || (stream->out_started && stream->out_ended) || (bytes.len == 0 && !end))
        return true;
    if (!stream->out_started || is_wrong(stream, bytes.len, end)) {
        gw_h2_stream_fail(stream, GW_E_INTERNAL);
        return true;
    }
    stream->out_ended = end;
    if (stream->out_no_body)
        return true;
    if (stream->remaining >= 0)
        stream->remaining -= (int64_t)bytes.len;
    if (!stream->live || bytes.len == 0) {
        resume(stream);
        return has_room(stream);
    }
    stream->out_bytes += bytes.len;
    if (!owner && bytes.len >= LEND_FROM) {
        lend(stream, bytes);
    } else {
        gw_chunks_append(&stream->out, bytes, owner);
        resume(stream);
    }
    return has_room(stream);
}

void gw_h2_stream_send_trailers(struct gw_stream *base, const struct gw_fields *trailers)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);

    if (stream->out_started && !stream->out_ended && !stream->out_no_body && !stream->tunnel &&
        !stream->failing && stream->live && trailers->count) {
        stream->out_trailers = gw_h2_head_write_trailers(trailers, &stream->out_trailer_count);
        if (!stream->out_trailers) {
            gw_h2_stream_fail(stream, GW_E_INTERNAL);
            return;
        }
    }
    gw_h2_stream_send_body(base, GW_SLICE_EMPTY, NULL, true);
}
