/* Bytes of a body that come. What one read of the connection brings for a stream is told in one
 * piece at the end of that read, where its owner takes it, and then given back to the peer's
 * window; else it waits in `in`, which the window bounds.
 *
 * No stream waits for another: the connection's window is as large as those of all streams it
 * allows together, so that owners who do not take their bytes keep only their own peers waiting. A
 * stream begins with a window that is small enough for that; one whose owner takes all that comes
 * gets a larger one, out of a reserve that the connection has for it. */
#include "http/h2_session.h"

#define WINDOW_MOST (1024 * 1024)

bool gw_h2_stream_takes(const struct gw_h2_stream *stream)
{
    bool waits = stream->asks_tunnel && stream->session->is_server && !stream->tunnel;

    return stream->open && stream->stream.events && !stream->held && !stream->failing && !waits;
}

/* ── the peer's window ─────────────────────────────────────────────────────── */

static void grow(struct gw_h2_stream *stream, size_t len)
{
    struct gw_h2_session *session = stream->session;

    stream->taken += len;
    if (stream->taken < stream->window || stream->in_bytes || stream->in_ended ||
        stream->window > WINDOW_MOST / 2 || session->grown + stream->window > GW_H2_WINDOW_RESERVE)
        return;
    session->grown += stream->window;
    stream->window *= 2;
    stream->taken = 0;
    nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, stream->id,
                                          (int32_t)stream->window);
}

static void give_back(struct gw_h2_stream *stream, size_t len)
{
    struct gw_h2_session *session = stream->session;

    if (!session->engine || len == 0)
        return;
    if (stream->live) {
        nghttp2_session_consume(session->engine, stream->id, len);
        grow(stream, len);
    } else {
        nghttp2_session_consume_connection(session->engine, len);
    }
    gw_h2_session_flush_later(session);
}

/* ── what came in this read ────────────────────────────────────────────────── */

static void take_off(struct gw_h2_stream *stream)
{
    stream->came_bytes -= stream->came->bytes.len;
    stream->came = stream->came->next;
}

/* Its pieces as one, or the first of several. */
static struct gw_slice next_came(struct gw_h2_stream *stream)
{
    struct gw_h2_room *room = gw_h2_room_of(stream->session->loop);
    struct gw_slice first = stream->came->bytes;
    size_t len = 0;

    if (!stream->came->next || first.len > sizeof(room->joined)) {
        take_off(stream);
        return first;
    }
    while (stream->came && stream->came->bytes.len <= sizeof(room->joined) - len) {
        memcpy(room->joined + len, stream->came->bytes.ptr, stream->came->bytes.len);
        len += stream->came->bytes.len;
        take_off(stream);
    }
    return gw_slice(room->joined, len);
}

/* The read ends: nobody took it yet. */
static void keep_came(struct gw_h2_stream *stream)
{
    struct gw_list kept;

    gw_list_init(&kept);
    for (; stream->came; take_off(stream)) {
        gw_chunks_append(&kept, stream->came->bytes, NULL);
        stream->in_bytes += stream->came->bytes.len;
    }
    GW_LIST_EACH(&stream->in, node) { /* it came later */
        gw_list_remove(node);
        gw_list_append(&kept, node);
    }
    GW_LIST_EACH(&kept, node) {
        gw_list_remove(node);
        gw_list_append(&stream->in, node);
    }
}

void gw_h2_stream_got_body(struct gw_h2_stream *stream, struct gw_slice bytes)
{
    struct gw_h2_room *room = gw_h2_room_of(stream->session->loop);

    if (!stream->open || stream->failing) {
        give_back(stream, bytes.len);
        return;
    }
    if (!gw_h2_stream_takes(stream) || stream->in_bytes || room->piece_count == GW_H2_PIECES) {
        gw_chunks_append(&stream->in, bytes, NULL);
        stream->in_bytes += bytes.len;
    } else {
        struct gw_h2_piece *piece = &room->pieces[room->piece_count++];

        *piece = (struct gw_h2_piece){ .bytes = bytes };
        if (stream->came)
            stream->came_last->next = piece;
        else
            stream->came = piece;
        stream->came_last = piece;
        stream->came_bytes += bytes.len;
    }
    gw_h2_stream_wake(stream);
}

void gw_h2_stream_got_end(struct gw_h2_stream *stream)
{
    stream->in_ended = true;
    gw_h2_stream_wake(stream);
}

/* ── telling ───────────────────────────────────────────────────────────────── */

/* Bytes and end in one piece are one write further on. */
static void tell_bytes(struct gw_h2_stream *stream, struct gw_slice bytes)
{
    bool all = !stream->came && !stream->in_bytes;

    stream->in_done = all && stream->in_ended && !stream->trailers;
    give_back(stream, bytes.len);
    stream->stream.events->on_body(stream->stream.owner, bytes, stream->in_done);
}

static void tell_chunk(struct gw_h2_stream *stream)
{
    struct gw_chunk *chunk = container_of(gw_list_first(&stream->in), struct gw_chunk, node);
    struct gw_list done;

    gw_list_init(&done);
    gw_list_remove(&chunk->node);
    gw_list_append(&done, &chunk->node);
    stream->in_bytes -= chunk->len;
    tell_bytes(stream, gw_slice(chunk->ptr, chunk->len));
    gw_chunks_free(&done);
}

static void tell_end(struct gw_h2_stream *stream)
{
    const struct gw_stream_events *events = stream->stream.events;

    stream->in_done = true;
    if (stream->trailers)
        events->on_trailers(stream->stream.owner, stream->trailers);
    else
        events->on_body(stream->stream.owner, GW_SLICE_EMPTY, true);
}

void gw_h2_stream_tell_in(struct gw_h2_stream *stream)
{
    while (stream->came && gw_h2_stream_takes(stream))
        tell_bytes(stream, next_came(stream));
    if (stream->came)
        keep_came(stream);
    while (gw_h2_stream_takes(stream) && !gw_list_empty(&stream->in))
        tell_chunk(stream);
    if (gw_h2_stream_takes(stream) && stream->in_ended && !stream->in_done)
        tell_end(stream);
}

void gw_h2_stream_hold(struct gw_stream *base, bool on)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);

    stream->held = on;
    if (!on && (stream->in_bytes || stream->in_ended))
        gw_h2_stream_wake(stream);
}

/* What came and nobody took counts against the whole connection's window until it is given back. */
void gw_h2_stream_drop_in(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;
    size_t bytes = stream->in_bytes + stream->came_bytes;

    if (bytes && session->engine) {
        nghttp2_session_consume_connection(session->engine, bytes);
        gw_h2_session_flush_later(session);
    }
    gw_chunks_free(&stream->in);
    stream->came = NULL;
    stream->in_bytes = stream->came_bytes = 0;
}
