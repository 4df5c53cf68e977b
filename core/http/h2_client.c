/* The client role of HTTP/2: requests out, answers in, many at once on a connection to a
 * service. */
#include "http/h2_session.h"

#include "base/alloc.h"

#define ACK_US 10000000 /* for our SETTINGS to be taken */

struct gw_h2_client {
    struct gw_h2_session session;
    const struct gw_h2_client_events *events;
    void *ctx;
    struct gw_defer news;
    unsigned requests;
    bool full;   /* somebody was sent away, or the server has said nothing: it is told of room */
    bool busy;   /* that it is idle is still to be told */
    bool silent; /* closed by its owner: no on_closed */
};

static const struct gw_stream_ops client_ops;

static struct gw_h2_client *client_of(const struct gw_h2_session *session)
{
    return container_of(session, struct gw_h2_client, session);
}

/* ── answers ───────────────────────────────────────────────────────────────── */

static void tell_head(struct gw_h2_stream *stream, bool end)
{
    struct gw_head *head = stream->head;
    bool final = head->status >= 200;
    bool tunnel = stream->asks_tunnel && final && head->status < 300;

    stream->hears_head = final;
    if (tunnel && stream->asks_upgrade)
        head->status = 101;
    stream->in_ended = end;
    if (tunnel) {
        gw_h2_stream_open_tunnel(stream);
        end = false;
    } else if (final && stream->asks_tunnel) {
        gw_h2_stream_decline_tunnel(stream);
    }
    if (final && !tunnel && gw_status_has_no_body(head->status, stream->method))
        end = true; /* and END_STREAM is on its way, in an empty frame */
    stream->in_done = end;
    stream->stream.events->on_head(stream->stream.owner, head, end);
}

static void on_head(struct gw_h2_stream *stream, bool end)
{
    if (!stream->open || !stream->stream.events || stream->failing)
        return;
    if (stream->head_error) {
        gw_h2_stream_fail(stream, stream->head_error);
        gw_h2_stream_reset(stream, NGHTTP2_CANCEL);
        return;
    }
    gw_h2_head_finish_response(stream, end);
    tell_head(stream, end);
}

/* What nghttp2 refuses to read is a reset of ours with PROTOCOL_ERROR. */
static void name_loss(const struct gw_h2_stream *stream, uint32_t code, enum gw_error *why)
{
    if (code == NGHTTP2_REFUSED_STREAM && !stream->hears_head)
        *why = GW_E_UPSTREAM_REFUSED;
    else if (code == NGHTTP2_PROTOCOL_ERROR)
        *why = GW_E_UPSTREAM_PROTOCOL;
    else
        *why = stream->hears_head ? GW_E_UPSTREAM_CUT : GW_E_RESET;
}

static void run_news(struct gw_defer *defer)
{
    struct gw_h2_client *client = container_of(defer, struct gw_h2_client, news);

    if (!client->session.conn)
        return;
    if (client->full && gw_h2_client_free_streams(client)) {
        client->full = false;
        client->events->on_room_for_streams(client->ctx, client);
    }
    if (client->busy && client->session.conn && client->session.owned == 0 &&
        client->session.live == 0) {
        client->busy = false;
        client->events->on_idle(client->ctx, client);
    }
}

static void on_settled(struct gw_h2_session *session)
{
    if (session->conn)
        gw_loop_defer(session->loop, &client_of(session)->news, run_news);
    gw_h2_session_settle(session);
}

static void on_news(struct gw_h2_session *session)
{
    if (session->acked)
        gw_timer_stop(&session->timer);
    on_settled(session);
}

static void on_pong(struct gw_h2_session *session)
{
    (void)session;
}

static void on_timer(struct gw_h2_session *session)
{
    if (!session->acked)
        gw_h2_session_abort(session, NGHTTP2_SETTINGS_TIMEOUT, GW_E_UPSTREAM_PROTOCOL);
}

static void finish(struct gw_h2_session *session)
{
    struct gw_h2_client *client = client_of(session);

    if (!client->silent)
        client->events->on_closed(client->ctx, client);
    gw_defer_cancel(&client->news);
    gw_h2_session_deinit(session);
    gw_free(client);
}

/* ── requests ──────────────────────────────────────────────────────────────── */

static void submit(struct gw_h2_stream *stream, const nghttp2_nv *nv, size_t count, bool end)
{
    struct gw_h2_session *session = stream->session;
    nghttp2_data_provider body = { .read_callback = gw_h2_stream_read };
    int32_t id = session->conn ? nghttp2_submit_request(session->engine, NULL, nv, count,
                                                        end ? NULL : &body, stream)
                               : -1;

    if (id < 0) { /* the connection is on its way out, or out of numbers */
        gw_h2_stream_fail(stream, GW_E_UPSTREAM_REFUSED);
        return;
    }
    stream->id = id;
    stream->live = true;
    session->live++;
    gw_h2_session_flush_later(session);
}

static void send_head(struct gw_stream *base, const struct gw_head *head, bool end)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);
    struct gw_h2_session *session = stream->session;
    struct gw_slice scheme = session->limits.tls ? GW_SLICE("https") : GW_SLICE("http");
    size_t count;
    nghttp2_nv *nv;

    if (stream->failing)
        return;
    nv = stream->out_started ? NULL
                             : gw_h2_head_write_request(head, end, base->arena, scheme, &count);
    if (!nv) {
        gw_h2_stream_fail(stream, GW_E_INTERNAL);
        return;
    }
    stream->method = head->method;
    stream->asks_upgrade = head->protocol.len > 0;
    stream->asks_tunnel = stream->asks_upgrade || head->method == GW_METHOD_CONNECT;
    if (stream->asks_upgrade && !gw_h2_client_tunnels(client_of(session))) {
        gw_h2_stream_fail(stream, GW_E_NO_TUNNEL);
        return;
    }
    /* What asks for a tunnel has no body of its own; its bytes come when it is open. */
    gw_h2_stream_begin_out(stream, head, end || stream->asks_tunnel);
    submit(stream, nv, count, end && !stream->asks_tunnel);
}

static void close_stream(struct gw_stream *base, enum gw_error why)
{
    struct gw_h2_stream *stream = gw_h2_stream_from(base);
    bool whole = why == GW_OK && stream->in_ended && stream->out_ended && !stream->tunnel;

    gw_h2_stream_detach(stream);
    if (!whole)
        gw_h2_stream_reset(stream, NGHTTP2_CANCEL);
    gw_h2_stream_settle(stream);
}

static bool stream_sent(const struct gw_stream *base)
{
    const struct gw_h2_stream *stream = gw_h2_stream_from(base);

    return stream->sent && stream->why != GW_E_UPSTREAM_REFUSED;
}

static const struct gw_stream_ops client_ops = {
    .send_head = send_head,
    .send_body = gw_h2_stream_send_body,
    .send_trailers = gw_h2_stream_send_trailers,
    .hold = gw_h2_stream_hold,
    .close = close_stream,
    .sent = stream_sent,
};

/* ── life ──────────────────────────────────────────────────────────────────── */

static const struct gw_h2_role role = {
    .broken = GW_E_UPSTREAM_PROTOCOL,
    .flooded = GW_E_UPSTREAM_PROTOCOL,
    .on_head = on_head,
    .name_loss = name_loss,
    .on_settled = on_settled,
    .on_news = on_news,
    .on_pong = on_pong,
    .on_timer = on_timer,
    .finish = finish,
};

struct gw_h2_client *gw_h2_client_new(struct gw_conn *conn, const struct gw_h2_limits *limits,
                                      const struct gw_h2_client_events *events, void *ctx)
{
    struct gw_h2_client *client = gw_alloc_zero(sizeof(*client));

    client->events = events;
    client->ctx = ctx;
    client->full = client->busy = true; /* whom nobody has used when it is settled is idle */
    gw_h2_session_init(&client->session, &role, false, conn, limits);
    gw_h2_session_start_timer(&client->session, ACK_US);
    return client;
}

unsigned gw_h2_client_free_streams(const struct gw_h2_client *client)
{
    const struct gw_h2_session *session = &client->session;
    uint32_t theirs = 100; /* until they say (RFC 9113 6.5.2 asks for no less) */
    unsigned most = session->limits.streams;
    unsigned used = session->live > session->owned ? session->live : session->owned;

    if (!session->conn || session->leaving || session->peer_leaves ||
        !nghttp2_session_check_request_allowed(session->engine))
        return 0;
    if (session->settled)
        theirs = nghttp2_session_get_remote_settings(session->engine,
                                                     NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    most = theirs < most ? theirs : most;
    return used < most ? most - used : 0;
}

struct gw_stream *gw_h2_client_open(struct gw_h2_client *client, struct gw_arena *arena)
{
    struct gw_h2_stream *stream;

    if (!gw_h2_client_free_streams(client)) {
        client->full = true;
        return NULL;
    }
    stream = gw_h2_stream_new(&client->session);
    stream->stream.ops = &client_ops;
    stream->stream.arena = arena;
    stream->open = true;
    stream->number = ++client->requests;
    client->session.owned++;
    client->busy = true;
    return &stream->stream;
}

bool gw_h2_client_settled(const struct gw_h2_client *client)
{
    return client->session.settled;
}

bool gw_h2_client_tunnels(const struct gw_h2_client *client)
{
    return nghttp2_session_get_remote_settings(client->session.engine,
                                               NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

void gw_h2_client_drain(struct gw_h2_client *client)
{
    gw_h2_session_leave(&client->session, NGHTTP2_NO_ERROR);
}

void gw_h2_client_close(struct gw_h2_client *client)
{
    client->silent = true;
    gw_h2_session_close(&client->session, 0, GW_E_SHUTDOWN);
}

unsigned gw_h2_client_requests(const struct gw_h2_client *client)
{
    return client->requests;
}

struct gw_conn *gw_h2_client_conn(struct gw_h2_client *client)
{
    return client->session.conn;
}
