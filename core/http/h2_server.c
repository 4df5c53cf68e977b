/* The server role of HTTP/2: requests in, answers out. On its way out a connection says so twice:
 * first that it will go, then, when that has crossed what was on its way, which stream was the
 * last (RFC 9113 6.8). */
#include "http/h2_server.h"

#include "base/alloc.h"

#define FIRST_REQUEST_US 1000000 /* a new connection is not called idle before */

static struct gw_h2_server *server_of(const struct gw_h2_session *session)
{
    return container_of(session, struct gw_h2_server, session);
}

static struct gw_h2_server *server_from(const struct gw_session *base)
{
    return container_of(base, struct gw_h2_server, base);
}

/* ── requests ──────────────────────────────────────────────────────────────── */

static void announce_end(struct gw_h2_server *server)
{
    struct gw_h2_session *session = &server->session;
    const uint8_t opaque[8] = { 'm', 'o', 'o', 'n', 'g', 'a', 't', 'e' };

    if (server->noticed_us || session->leaving || !session->conn)
        return;
    server->noticed_us = session->loop->clock.now_us;
    nghttp2_submit_shutdown_notice(session->engine);
    nghttp2_submit_ping(session->engine, NGHTTP2_FLAG_NONE, opaque);
    gw_h2_session_flush_later(session);
    gw_h2_session_start_timer(session, GW_H2_NOTICE_US);
}

static void open_stream(struct gw_h2_server *server, struct gw_h2_stream *stream)
{
    stream->stream.ops = &gw_h2_server_stream_ops;
    stream->stream.arena = stream->arena;
    stream->arena = NULL; /* whoever hears of the request owns it */
    stream->head->scheme = server->scheme;
    stream->open = true;
    stream->number = ++server->requests;
    server->session.owned++;
}

static void on_head(struct gw_h2_stream *stream, bool end)
{
    struct gw_h2_session *session = stream->session;
    struct gw_h2_server *server = server_of(session);
    enum gw_error error = gw_h2_head_finish_request(stream, end);
    struct gw_head *head = stream->head;

    if (server->refusal)
        error = server->refusal;
    if (session->limits.session.requests &&
        server->requests + 1 >= session->limits.session.requests)
        announce_end(server);
    open_stream(server, stream);
    stream->hears_head = true;
    stream->in_ended = end;
    stream->in_done = end || stream->asks_tunnel;
    gw_h2_server_start_timer(server);
    if (error)
        server->events->on_refused(server->ctx, &stream->stream, stream->stream.arena, head, error);
    else
        server->events->on_request(server->ctx, &stream->stream, stream->stream.arena, head,
                                   stream->in_done);
    if (server->refusal)
        gw_h2_session_leave(session, NGHTTP2_NO_ERROR);
}

/* Its stream has been reset; what the owner answers goes nowhere, but into the log. */
static void on_malformed(struct gw_h2_stream *stream)
{
    struct gw_h2_server *server = server_of(stream->session);

    stream->head->raw_target = stream->target;
    open_stream(server, stream);
    server->events->on_refused(server->ctx, &stream->stream, stream->stream.arena, stream->head,
                               stream->head_error ? stream->head_error : GW_E_BAD_REQUEST);
}

/* The client took it back, or is gone; or nghttp2 found its body malformed. */
static void name_loss(const struct gw_h2_stream *stream, uint32_t code, enum gw_error *why)
{
    bool reads_on = !stream->in_ended && !stream->in_done && !stream->tunnel;

    *why = !reads_on                        ? GW_E_CLIENT_GONE
           : code == NGHTTP2_PROTOCOL_ERROR ? GW_E_BAD_BODY
                                            : GW_E_BODY_CUT;
}

bool gw_h2_server_is_idle(const struct gw_h2_session *session)
{
    return session->live == 0 && session->owned == 0;
}

static void on_settled(struct gw_h2_session *session)
{
    if (gw_h2_server_is_idle(session))
        session->idle_us = session->loop->clock.now_us;
    gw_h2_session_settle(session);
}

static void on_news(struct gw_h2_session *session)
{
    gw_h2_session_settle(session);
}

static void on_pong(struct gw_h2_session *session)
{
    if (server_of(session)->noticed_us)
        gw_h2_session_leave(session, NGHTTP2_NO_ERROR);
}

static void finish(struct gw_h2_session *session)
{
    struct gw_h2_server *server = server_of(session);

    if (!server->silent)
        server->events->on_closed(server->ctx, &server->base);
    gw_h2_session_deinit(session);
    gw_free(server);
}

/* ── what its owner does with it ───────────────────────────────────────────── */

static void refuse(struct gw_session *base, enum gw_error why)
{
    server_from(base)->refusal = why;
}

static void retire(struct gw_session *base)
{
    announce_end(server_from(base));
}

/* A client that has never said anything has nothing on its way. */
static void drain(struct gw_session *base)
{
    struct gw_h2_server *server = server_from(base);

    if (server->session.settled)
        announce_end(server);
    else
        gw_h2_session_abort(&server->session, NGHTTP2_NO_ERROR, GW_OK);
}

static void close_session(struct gw_session *base)
{
    struct gw_h2_server *server = server_from(base);

    server->silent = true;
    gw_h2_session_close(&server->session, 0, GW_E_SHUTDOWN);
}

static struct gw_conn *session_conn(struct gw_session *base)
{
    return server_from(base)->session.conn;
}

static bool idle(const struct gw_session *base)
{
    const struct gw_h2_session *session = &server_from(base)->session;

    return gw_h2_server_is_idle(session) && !session->head_us;
}

static bool waits(const struct gw_session *base, uint64_t *since_us)
{
    const struct gw_h2_server *server = server_from(base);
    const struct gw_h2_session *session = &server->session;
    uint64_t now_us = session->loop->clock.now_us;
    bool is_new = server->requests == 0 && now_us - session->born_us < FIRST_REQUEST_US;

    *since_us = session->head_us ? session->head_us : session->idle_us;
    if (!session->conn || !gw_h2_server_is_idle(session))
        return false;
    return session->head_us || (!is_new && gw_conn_queued(session->conn) == 0);
}

static bool shed(struct gw_session *base, enum gw_error why)
{
    struct gw_h2_server *server = server_from(base);

    (void)why; /* nobody has asked for anything that could be answered */
    if (gw_conn_look(server->session.conn) & GW_CONN_SEES_BYTES)
        return false;
    gw_h2_session_close(&server->session, 0, GW_OK);
    return true;
}

static const struct gw_session_ops session_ops = {
    .refuse = refuse,
    .drain = drain,
    .retire = retire,
    .close = close_session,
    .conn = session_conn,
    .idle = idle,
    .waits = waits,
    .shed = shed,
};

static const struct gw_h2_role role = {
    .broken = GW_E_CLIENT_GONE,
    .flooded = GW_E_FLOOD,
    .on_head = on_head,
    .on_malformed = on_malformed,
    .name_loss = name_loss,
    .on_settled = on_settled,
    .on_news = on_news,
    .on_pong = on_pong,
    .on_timer = gw_h2_server_on_timer,
    .finish = finish,
};

struct gw_session *gw_h2_server_new(struct gw_conn *conn, const struct gw_h2_limits *limits,
                                    struct gw_slice scheme, const struct gw_server_events *events,
                                    void *ctx)
{
    struct gw_h2_server *server = gw_alloc_zero(sizeof(*server));

    server->base.ops = &session_ops;
    server->scheme = scheme;
    server->events = events;
    server->ctx = ctx;
    gw_h2_session_init(&server->session, &role, true, conn, limits);
    server->looked_us = server->session.born_us;
    gw_h2_server_start_timer(server);
    return &server->base;
}
