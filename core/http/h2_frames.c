/* What nghttp2 tells of frames: roles and streams hear of it, the guard counts. */
#include "http/h2_session.h"

#define FRAME_HEAD 9 /* RFC 9113 4.1 */

static struct gw_h2_stream *stream_of(nghttp2_session *engine, int32_t id)
{
    return id ? nghttp2_session_get_stream_user_data(engine, id) : NULL;
}

/* ── what comes ────────────────────────────────────────────────────────────── */

static bool note(struct gw_h2_session *session, enum gw_h2_nuisance kind)
{
    if (!gw_h2_guard_note(&session->guard, kind, session->loop->clock.now_us))
        session->flooded = true;
    return !session->flooded;
}

static bool is_tolerable(struct gw_h2_session *session, const nghttp2_frame_hd *hd)
{
    switch (hd->type) {
    case NGHTTP2_DATA:
        return hd->length > 0 || (hd->flags & NGHTTP2_FLAG_END_STREAM) ||
               note(session, GW_H2_EMPTY);
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
    case NGHTTP2_GOAWAY:
    case NGHTTP2_PUSH_PROMISE:
        return true;
    case NGHTTP2_RST_STREAM: /* a server may refuse as much as it likes */
        return !session->is_server || note(session, GW_H2_RESET);
    case NGHTTP2_SETTINGS:
    case NGHTTP2_PING:
        return (hd->flags & NGHTTP2_FLAG_ACK) || note(session, GW_H2_CONTROL);
    default:
        return note(session, GW_H2_EMPTY);
    }
}

static int on_begin_frame(nghttp2_session *engine, const nghttp2_frame_hd *hd, void *ctx)
{
    struct gw_h2_session *session = ctx;

    (void)engine;
    if (!session->conn) /* an owner has closed it meanwhile */
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    return is_tolerable(session, hd) ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
}

static struct gw_h2_stream *accept_stream(struct gw_h2_session *session, int32_t id)
{
    struct gw_h2_stream *stream = gw_h2_stream_new(session);

    stream->id = id;
    stream->live = true;
    session->live++;
    nghttp2_session_set_stream_user_data(session->engine, id, stream);
    return stream;
}

static int on_begin_headers(nghttp2_session *engine, const nghttp2_frame *frame, void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, frame->hd.stream_id);

    session->head_us = session->loop->clock.now_us;
    if (session->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
        stream = accept_stream(session, frame->hd.stream_id);
        stream->arena = gw_arena_new();
        gw_h2_head_begin(stream, stream->arena);
    } else if (stream && stream->open && !stream->failing) {
        if (session->is_server || stream->hears_head)
            gw_h2_trailers_begin(stream);
        else
            gw_h2_head_begin(stream, stream->stream.arena);
    }
    return 0;
}

static int on_header(nghttp2_session *engine, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, frame->hd.stream_id);

    (void)flags;
    if (!stream || !stream->head || (!stream->open && !stream->arena))
        return 0;
    if (!gw_h2_head_field(stream, gw_slice((const char *)name, name_len),
                          gw_slice((const char *)value, value_len))) {
        session->flooded = true;
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    return 0;
}

/* nghttp2 would leave it out; a message with such a field is malformed. */
static int on_invalid_header(nghttp2_session *engine, const nghttp2_frame *frame,
                             const uint8_t *name, size_t name_len, const uint8_t *value,
                             size_t value_len, uint8_t flags, void *ctx)
{
    (void)engine;
    (void)frame;
    (void)name;
    (void)name_len;
    (void)value;
    (void)value_len;
    (void)flags;
    (void)ctx;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void got_headers(struct gw_h2_session *session, struct gw_h2_stream *stream, bool end)
{
    session->head_us = 0;
    if (!stream || !stream->head || (!stream->open && !stream->arena))
        return;
    if (!stream->reads_trailers) {
        session->role->on_head(stream, end);
    } else if (stream->head_error) {
        gw_h2_stream_reset(stream, NGHTTP2_PROTOCOL_ERROR);
        gw_h2_stream_fail(stream, stream->head_error);
    } else {
        gw_h2_stream_got_end(stream);
    }
}

static void got_settings(struct gw_h2_session *session, bool ack)
{
    if (ack)
        session->acked = true;
    else
        session->settled = true;
    session->role->on_news(session);
}

static int on_frame_recv(nghttp2_session *engine, const nghttp2_frame *frame, void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, frame->hd.stream_id);
    bool end = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        got_headers(session, stream, end);
        break;
    case NGHTTP2_DATA:
        if (stream && end)
            gw_h2_stream_got_end(stream);
        break;
    case NGHTTP2_SETTINGS:
        got_settings(session, frame->hd.flags & NGHTTP2_FLAG_ACK);
        break;
    case NGHTTP2_PING:
        if (frame->hd.flags & NGHTTP2_FLAG_ACK)
            session->role->on_pong(session);
        break;
    case NGHTTP2_GOAWAY:
        session->peer_leaves = true;
        session->role->on_news(session);
        break;
    default:
        break;
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *engine, uint8_t flags, int32_t id, const uint8_t *data,
                         size_t len, void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, id);

    (void)flags;
    gw_h2_guard_forgive(&session->guard, GW_H2_EMPTY, 1);
    if (stream)
        gw_h2_stream_got_body(stream, gw_slice((const char *)data, len));
    else
        nghttp2_session_consume_connection(engine, len);
    return 0;
}

static int on_stream_close(nghttp2_session *engine, int32_t id, uint32_t code, void *ctx)
{
    struct gw_h2_stream *stream = stream_of(engine, id);

    (void)ctx;
    if (stream) {
        nghttp2_session_set_stream_user_data(engine, id, NULL);
        gw_h2_stream_gone(stream, code);
    }
    return 0;
}

/* ── what goes ─────────────────────────────────────────────────────────────── */

/* RFC 9113 8.1: with a whole answer out, the rest of a request that nobody reads is not wanted. */
static void end_stream_sent(struct gw_h2_session *session, struct gw_h2_stream *stream)
{
    stream->out_closed = true;
    gw_h2_guard_forgive(&session->guard, GW_H2_RESET, 1);
    if (session->is_server && !stream->open && !stream->in_ended)
        gw_h2_stream_reset(stream, NGHTTP2_NO_ERROR);
}

/* A DATA frame whose payload was not copied: nghttp2 gives its head, we know the rest. */
static int on_send_data(nghttp2_session *engine, nghttp2_frame *frame, const uint8_t *head,
                        size_t len, nghttp2_data_source *source, void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, frame->hd.stream_id);

    (void)source;
    if (!stream) /* lost meanwhile, with its bytes */
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    gw_h2_room_add_frame(session, gw_slice((const char *)head, FRAME_HEAD));
    gw_h2_stream_frame_out(stream, len);
    return 0;
}

static int on_frame_send(nghttp2_session *engine, const nghttp2_frame *frame, void *ctx)
{
    struct gw_h2_session *session = ctx;
    struct gw_h2_stream *stream = stream_of(engine, frame->hd.stream_id);

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        if (!stream || !stream->resets)
            note(session, GW_H2_FAULT);
        return 0;
    }
    if (!stream || (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA))
        return 0;
    stream->sent = true;
    if (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)
        end_stream_sent(session, stream);
    return 0;
}

nghttp2_session_callbacks *gw_h2_callbacks_new(void)
{
    nghttp2_session_callbacks *callbacks = NULL;
    int error = nghttp2_session_callbacks_new(&callbacks);

    GW_ASSERT(error == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    return callbacks;
}
