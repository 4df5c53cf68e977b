/* A stream of HTTP/2: what came and waits for its owner, what its owner gave and waits for the
 * peer's window.
 *
 * Incoming bytes are told at once where the owner takes them, and then given back to the peer's
 * window; else they wait in `in`, which the window bounds. Outgoing bytes wait in `out` until
 * nghttp2 asks for them. */
#include "http/h2_session.h"

#include "base/alloc.h"

#define ROOM_MOST (128 * 1024) /* of bytes that wait on one stream, when there are few */
#define ROOM_LEAST (16 * 1024)
#define ROOM_ALL (512 * 1024)
#define SPARES_MAX 16

/* ── life ──────────────────────────────────────────────────────────────────── */

struct gw_h2_stream *gw_h2_stream_new(struct gw_h2_session *session)
{
    struct gw_list_node *node = gw_list_first(&session->spare);
    struct gw_h2_stream *stream;

    if (node) {
        stream = container_of(node, struct gw_h2_stream, node);
        gw_list_remove(node);
        session->spares--;
        memset(stream, 0, sizeof(*stream));
    } else {
        stream = gw_alloc_zero(sizeof(*stream));
    }
    stream->session = session;
    stream->remaining = -1;
    gw_list_init(&stream->in);
    gw_list_init(&stream->out);
    gw_list_append(&session->streams, &stream->node);
    return stream;
}

/* What came and nobody took counts against the whole connection's window until it is given back. */
static void drop_in(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;

    if (stream->in_bytes && session->engine) {
        nghttp2_session_consume_connection(session->engine, stream->in_bytes);
        gw_h2_session_flush_later(session);
    }
    gw_chunks_free(&stream->in);
    stream->in_bytes = stream->in_read = 0;
}

static void drop_out(struct gw_h2_stream *stream)
{
    gw_chunks_free(&stream->out);
    stream->out_bytes = stream->out_read = 0;
    gw_free(stream->out_trailers);
    stream->out_trailers = NULL;
}

void gw_h2_stream_settle(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;

    if (stream->open || stream->live || stream->busy)
        return;
    drop_in(stream);
    drop_out(stream);
    gw_list_remove(&stream->node);
    gw_list_remove(&stream->due);
    if (session->spares < SPARES_MAX && session->conn) {
        gw_list_append(&session->spare, &stream->node);
        session->spares++;
    } else {
        gw_free(stream);
    }
    session->role->on_settled(session);
}

static void run_tell(struct gw_defer *defer)
{
    struct gw_h2_session *session = container_of(defer, struct gw_h2_session, tell);
    struct gw_list due;

    /* What becomes due meanwhile has its turn in the next call. */
    gw_list_init(&due);
    GW_LIST_EACH(&session->due, node) {
        gw_list_remove(node);
        gw_list_append(&due, node);
    }
    for (struct gw_list_node *node; (node = gw_list_first(&due));) {
        gw_list_remove(node);
        gw_h2_stream_tell(container_of(node, struct gw_h2_stream, due));
    }
}

void gw_h2_stream_wake(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;

    if (!gw_list_linked(&stream->due))
        gw_list_append(&session->due, &stream->due);
    gw_loop_defer(session->loop, &session->tell, run_tell);
}

/* ── incoming ──────────────────────────────────────────────────────────────── */

static bool takes(const struct gw_h2_stream *stream)
{
    bool waits = stream->asks_tunnel && stream->session->is_server && !stream->tunnel;

    return stream->open && stream->stream.events && !stream->held && !stream->failing && !waits;
}

static void give_back(struct gw_h2_stream *stream, size_t len)
{
    struct gw_h2_session *session = stream->session;

    if (!session->engine || len == 0)
        return;
    if (stream->live)
        nghttp2_session_consume(session->engine, stream->id, len);
    else
        nghttp2_session_consume_connection(session->engine, len);
    gw_h2_session_flush_later(session);
}

static void tell_chunk(struct gw_h2_stream *stream)
{
    struct gw_chunk *chunk = container_of(gw_list_first(&stream->in), struct gw_chunk, node);
    struct gw_slice bytes = gw_slice(chunk->ptr + stream->in_read, chunk->len - stream->in_read);
    struct gw_list done;

    gw_list_init(&done);
    gw_list_remove(&chunk->node);
    gw_list_append(&done, &chunk->node);
    stream->in_read = 0;
    stream->in_bytes -= bytes.len;
    give_back(stream, bytes.len);
    stream->stream.events->on_body(stream->stream.owner, bytes, false);
    gw_chunks_free(&done);
}

static void tell_in_end(struct gw_h2_stream *stream)
{
    const struct gw_stream_events *events = stream->stream.events;

    stream->in_done = true;
    if (stream->trailers)
        events->on_trailers(stream->stream.owner, stream->trailers);
    else
        events->on_body(stream->stream.owner, GW_SLICE_EMPTY, true);
}

static size_t room_of(const struct gw_h2_stream *stream)
{
    unsigned streams = stream->session->owned ? stream->session->owned : 1;
    size_t room = ROOM_ALL / streams;

    return room > ROOM_MOST ? ROOM_MOST : room < ROOM_LEAST ? ROOM_LEAST : room;
}

static void tell_room(struct gw_h2_stream *stream)
{
    const struct gw_stream_events *events = stream->stream.events;

    if (!stream->wants_room || stream->failing || stream->out_bytes > room_of(stream) / 2)
        return;
    stream->wants_room = false;
    if (events && events->on_room)
        events->on_room(stream->stream.owner);
}

/* Owners may close in any of these; the stream itself is put away only after that. */
void gw_h2_stream_tell(struct gw_h2_stream *stream)
{
    stream->busy = true;
    while (takes(stream) && !gw_list_empty(&stream->in))
        tell_chunk(stream);
    if (takes(stream) && stream->in_ended && !stream->in_done)
        tell_in_end(stream);
    if (stream->open)
        tell_room(stream);
    if (stream->open && stream->stream.events && stream->failing && !stream->told) {
        stream->told = true;
        stream->stream.events->on_end(stream->stream.owner, stream->why);
    }
    stream->busy = false;
    gw_h2_stream_settle(stream);
}

void gw_h2_stream_fail(struct gw_h2_stream *stream, enum gw_error why)
{
    if (!stream->open || stream->failing)
        return;
    stream->failing = true;
    stream->why = why;
    drop_in(stream);
    gw_h2_stream_wake(stream);
}

void gw_h2_stream_got_body(struct gw_h2_stream *stream, struct gw_slice bytes, bool last)
{
    if (stream->declared)
        stream->in_left -= (int64_t)bytes.len;
    if (!stream->open || stream->failing) {
        give_back(stream, bytes.len);
        return;
    }
    if (!takes(stream) || stream->in_bytes) {
        gw_chunks_append(&stream->in, bytes, NULL);
        stream->in_bytes += bytes.len;
        return;
    }
    give_back(stream, bytes.len);
    /* Bytes and end in one piece are one write further on. Of a body that does not keep its length
     * nghttp2 says something else than that it has ended. */
    stream->in_done = last && (!stream->declared || stream->in_left == 0);
    stream->stream.events->on_body(stream->stream.owner, bytes, stream->in_done);
}

void gw_h2_stream_got_end(struct gw_h2_stream *stream)
{
    stream->in_ended = true;
    if (takes(stream) && gw_list_empty(&stream->in) && !stream->in_done)
        tell_in_end(stream);
}

void gw_h2_stream_open_tunnel(struct gw_h2_stream *stream)
{
    stream->tunnel = true;
    stream->in_done = stream->out_ended = stream->out_no_body = false;
    stream->out_started = true;
    stream->remaining = -1;
    gw_h2_stream_wake(stream);
}

/* ── outgoing ──────────────────────────────────────────────────────────────── */

void gw_h2_stream_begin_out(struct gw_h2_stream *stream, const struct gw_head *head, bool end)
{
    stream->out_started = true;
    stream->out_ended = end;
    stream->remaining = head->body_length;
}

static size_t read_chunks(struct gw_h2_stream *stream, uint8_t *buffer, size_t len)
{
    size_t got = 0;

    while (got < len && !gw_list_empty(&stream->out)) {
        struct gw_chunk *chunk = container_of(gw_list_first(&stream->out), struct gw_chunk, node);
        size_t left = chunk->len - stream->out_read;
        size_t piece = left < len - got ? left : len - got;

        memcpy(buffer + got, chunk->ptr + stream->out_read, piece);
        got += piece;
        stream->out_read += piece;
        if (piece < left)
            break;
        gw_list_remove(&chunk->node);
        gw_blob_unref(chunk->blob);
        gw_free(chunk);
        stream->out_read = 0;
    }
    stream->out_bytes -= got;
    stream->framed += got;
    return got;
}

ssize_t gw_h2_stream_read(nghttp2_session *engine, int32_t id, uint8_t *buffer, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
    struct gw_h2_stream *stream = nghttp2_session_get_stream_user_data(engine, id);
    size_t got;

    (void)source;
    (void)ctx;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    got = read_chunks(stream, buffer, len);
    if (stream->wants_room)
        gw_h2_stream_wake(stream);
    if (got)
        gw_h2_guard_forgive(&stream->session->guard, GW_H2_EMPTY, 1);
    if (stream->out_ended && stream->out_bytes == 0 && (!stream->asks_tunnel || stream->tunnel)) {
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

static bool has_room(struct gw_h2_stream *stream)
{
    if (stream->out_bytes <= room_of(stream))
        return true;
    stream->wants_room = true;
    return false;
}

bool gw_h2_stream_send_body(struct gw_stream *base, struct gw_slice bytes, struct gw_blob *owner,
                            bool end)
{
    struct gw_h2_stream *stream = container_of(base, struct gw_h2_stream, stream);

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
    if (stream->live && bytes.len) {
        gw_chunks_append(&stream->out, bytes, owner);
        stream->out_bytes += bytes.len;
    }
    resume(stream);
    return has_room(stream);
}

void gw_h2_stream_send_trailers(struct gw_stream *base, const struct gw_fields *trailers)
{
    struct gw_h2_stream *stream = container_of(base, struct gw_h2_stream, stream);

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

void gw_h2_stream_hold(struct gw_stream *base, bool on)
{
    struct gw_h2_stream *stream = container_of(base, struct gw_h2_stream, stream);

    stream->held = on;
    if (!on && (stream->in_bytes || stream->in_ended))
        gw_h2_stream_wake(stream);
}

/* ── closing ───────────────────────────────────────────────────────────────── */

void gw_h2_stream_detach(struct gw_h2_stream *stream)
{
    GW_ASSERT(stream->open);
    stream->open = false;
    stream->stream.events = NULL;
    stream->stream.owner = NULL;
    stream->stream.arena = NULL;
    stream->session->owned--;
    drop_in(stream);
}

void gw_h2_stream_reset(struct gw_h2_stream *stream, uint32_t code)
{
    if (!stream->live)
        return;
    drop_out(stream);
    stream->resets = true;
    nghttp2_submit_rst_stream(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id, code);
    gw_h2_session_flush_later(stream->session);
}

/* A head that nobody has heard of: somebody should, where the connection is fine. */
static void tell_malformed(struct gw_h2_stream *stream)
{
    stream->busy = true;
    if (stream->session->conn && stream->session->role->on_malformed)
        stream->session->role->on_malformed(stream);
    gw_arena_free(stream->arena);
    stream->arena = NULL;
    stream->busy = false;
    gw_h2_stream_settle(stream);
}

void gw_h2_stream_gone(struct gw_h2_stream *stream, uint32_t code)
{
    struct gw_h2_session *session = stream->session;
    bool whole = stream->in_ended && (!session->is_server || stream->out_closed);

    stream->live = false;
    session->live--;
    drop_out(stream);
    if (stream->arena) {
        tell_malformed(stream);
        return;
    }
    if (stream->wants_room)
        gw_h2_stream_wake(stream);
    if (stream->open && !whole) {
        enum gw_error why;

        session->role->name_loss(stream, code, &why);
        gw_h2_stream_fail(stream, why);
    }
    gw_h2_stream_settle(stream);
}
