/* Answers of HTTP/2, as owners of a server's streams give them. */
#include "http/h2_server.h"

static bool submit(struct gw_h2_stream *stream, const struct gw_head *head, bool end,
                   struct gw_arena *arena)
{
    struct gw_h2_session *session = stream->session;
    nghttp2_data_provider body = { .read_callback = gw_h2_stream_read };
    bool interim = head->status < 200 && head->status != 101;
    size_t count;
    nghttp2_nv *nv = gw_h2_head_write_response(head, end, stream, arena, &count);

    if (!nv)
        return false;
    if (!stream->live)
        return true;
    if (interim)
        nghttp2_submit_headers(session->engine, NGHTTP2_FLAG_NONE, stream->id, NULL, nv, count,
                               NULL);
    else
        nghttp2_submit_response(session->engine, stream->id, nv, count, end ? NULL : &body);
    gw_h2_session_flush_later(session);
    return true;
}

static void answer_bare(struct gw_h2_stream *stream, int status)
{
    struct gw_head head = { .status = status, .body_length = 0 };

    gw_h2_stream_begin_out(stream, &head, true);
    submit(stream, &head, true, stream->stream.arena);
}

static void send_final(struct gw_h2_stream *stream, const struct gw_head *head, bool end)
{
    bool tunnel = stream->asks_tunnel &&
                  (head->status == 101 || (!stream->asks_upgrade && head->status < 300));
    bool no_body = !tunnel && gw_status_has_no_body(head->status, stream->method);

    if (stream->asks_upgrade && !tunnel && head->status < 300) {
        answer_bare(stream, 502); /* it would open the tunnel (RFC 8441 5) */
        return;
    }
    if (!submit(stream, head, !tunnel && (end || no_body), stream->stream.arena)) {
        answer_bare(stream, gw_error_info(GW_E_INTERNAL)->status);
        gw_h2_stream_fail(stream, GW_E_INTERNAL);
        return;
    }
    gw_h2_stream_begin_out(stream, head, end);
    stream->out_no_body = no_body;
    if (tunnel)
        gw_h2_stream_open_tunnel(stream);
}

static void send_head(struct gw_stream *base, const struct gw_head *head, bool end)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);

    if (stream->failing)
        return;
    if (stream->out_started)
        gw_h2_stream_fail(stream, GW_E_INTERNAL);
    else if (head->status >= 200 || head->status == 101)
        send_final(stream, head, end);
    else if (!submit(stream, head, false, base->arena))
        gw_h2_stream_fail(stream, GW_E_INTERNAL);
}

static uint32_t code_of(enum gw_error why)
{
    switch (why) {
    case GW_OK:
    case GW_E_CANCELLED:
    case GW_E_SHUTDOWN:
    case GW_E_CLIENT_GONE:
    case GW_E_WRITE_SLOW:
        return NGHTTP2_CANCEL;
    case GW_E_BAD_BODY:
    case GW_E_BAD_FRAMING:
        return NGHTTP2_PROTOCOL_ERROR;
    default:
        return NGHTTP2_INTERNAL_ERROR;
    }
}

static void close_stream(struct gw_stream *base, enum gw_error why)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);
    int status = gw_error_info(why)->status;
    bool whole;

    if (!stream->out_started && status && status != 499)
        answer_bare(stream, status);
    whole = stream->out_ended;
    gw_h2_stream_detach(stream);
    if (!whole)
        gw_h2_stream_reset(stream, code_of(why));
    else if (stream->out_closed && !stream->in_ended)
        gw_h2_stream_reset(stream, NGHTTP2_NO_ERROR);
    gw_h2_stream_settle(stream);
}

static struct gw_conn *stream_conn(const struct gw_stream *base)
{
    return gw_h2_stream_from(base)->session->conn;
}

static unsigned stream_number(const struct gw_stream *base)
{
    return gw_h2_stream_from(base)->number;
}

static uint64_t stream_taken(const struct gw_stream *base)
{
    return gw_h2_stream_from(base)->framed;
}

const struct gw_stream_ops gw_h2_server_stream_ops = {
    .send_head = send_head,
    .send_body = gw_h2_stream_send_body,
    .send_trailers = gw_h2_stream_send_trailers,
    .hold = gw_h2_stream_hold,
    .close = close_stream,
    .conn = stream_conn,
    .number = stream_number,
    .taken = stream_taken,
};
