/* The server role of HTTP/2: requests in, answers out. On its way out a connection says so twice:
 * first that it will go, then, when that has crossed what was on its way, which stream was the
 * last (RFC 9113 6.8). */
#include "http/h2_session.h"

#include "base/alloc.h"

#define NOTICE_US 1000000        /* for our first GOAWAY to reach a client that does not answer */
#define ACK_US 10000000          /* for our SETTINGS to be taken */
#define LOOK_US 10000000         /* how often streams that stand still are looked for */
#define FIRST_REQUEST_US 1000000 /* a new connection is not called idle before */

struct gw_h2_server {
    struct gw_session base;
    struct gw_h2_session session;
    struct gw_slice scheme;
    const struct gw_server_events *events;
    void *ctx;
    enum gw_error refusal; /* for the first request; GW_OK: none */
    unsigned requests;
    uint64_t noticed_us; /* when the first GOAWAY went; 0: it did not */
    uint64_t looked_us;
    uint64_t taken; /* bytes, then */
    bool silent;    /* closed by its owner: no on_closed */
};

static const struct gw_stream_ops server_ops;

static struct gw_h2_server *server_of(const struct gw_h2_session *session)
{
    return container_of(session, struct gw_h2_server, session);
}

static struct gw_h2_server *server_from(const struct gw_session *base)
{
    return container_of(base, struct gw_h2_server, base);
}

static struct gw_h2_stream *stream_from(const struct gw_stream *base)
{
    return container_of(base, struct gw_h2_stream, stream);
}

static void start_timer(struct gw_h2_server *server);

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
    gw_h2_session_start_timer(session, NOTICE_US);
}

static void open_stream(struct gw_h2_server *server, struct gw_h2_stream *stream)
{
    stream->stream.ops = &server_ops;
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
    start_timer(server);
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
    bool reads_on = !stream->in_ended && !stream->in_done;

    *why = !reads_on                        ? GW_E_CLIENT_GONE
           : code == NGHTTP2_PROTOCOL_ERROR ? GW_E_BAD_BODY
                                            : GW_E_BODY_CUT;
}

static void on_settled(struct gw_h2_session *session)
{
    if (session->live == 0 && session->owned == 0)
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

/* ── what takes too long ───────────────────────────────────────────────────── */

static bool is_due(uint64_t since_us, uint64_t limit_us, uint64_t now_us)
{
    return limit_us && now_us - since_us >= limit_us;
}

/* An answer whose owner has gone, and a client that opens no window for it. */
static void look_for_stalls(struct gw_h2_server *server)
{
    struct gw_h2_session *session = &server->session;
    uint64_t least = session->limits.session.min_rate * (LOOK_US / 1000000);

    GW_LIST_EACH(&session->streams, node) {
        struct gw_h2_stream *stream = container_of(node, struct gw_h2_stream, node);

        if (!stream->open && stream->out_bytes &&
            stream->framed - stream->looked_at < (least ? least : 1))
            gw_h2_stream_reset(stream, NGHTTP2_CANCEL);
        stream->looked_at = stream->framed;
    }
    server->looked_us = session->loop->clock.now_us;
    if (!session->blocked || session->owned)
        return;

    uint64_t taken = gw_conn_bytes_taken(session->conn);

    if (taken - server->taken < (least ? least : 1))
        gw_h2_session_close(session, 0, GW_OK); /* it does not read at all */
    server->taken = taken;
}

static bool is_idle(const struct gw_h2_session *session)
{
    return session->live == 0 && session->owned == 0;
}

static void on_timer(struct gw_h2_session *session)
{
    struct gw_h2_server *server = server_of(session);
    const struct gw_session_limits *limits = &session->limits.session;
    uint64_t now_us = session->loop->clock.now_us;

    if (server->noticed_us && is_due(server->noticed_us, NOTICE_US, now_us))
        gw_h2_session_leave(session, NGHTTP2_NO_ERROR);
    if (session->head_us && is_due(session->head_us, limits->head_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_ENHANCE_YOUR_CALM, GW_OK);
    else if (!session->settled && is_due(session->born_us, limits->head_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_SETTINGS_TIMEOUT, GW_OK);
    else if (!session->acked && is_due(session->born_us, ACK_US, now_us))
        gw_h2_session_abort(session, NGHTTP2_SETTINGS_TIMEOUT, GW_OK);
    else if (is_idle(session) && is_due(session->idle_us, limits->idle_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_NO_ERROR, GW_OK);
    else if (is_due(server->looked_us, LOOK_US, now_us))
        look_for_stalls(server);
    if (session->conn)
        start_timer(server);
}

static void sooner(uint64_t *due_us, uint64_t since_us, uint64_t limit_us)
{
    if (limit_us && since_us + limit_us < *due_us)
        *due_us = since_us + limit_us;
}

/* One timer, for what is due first; it is left running when that has passed. */
static void start_timer(struct gw_h2_server *server)
{
    struct gw_h2_session *session = &server->session;
    const struct gw_session_limits *limits = &session->limits.session;
    uint64_t now_us = session->loop->clock.now_us, due_us = UINT64_MAX;

    if (server->noticed_us && !session->leaving)
        sooner(&due_us, server->noticed_us, NOTICE_US);
    if (!session->settled)
        sooner(&due_us, session->born_us, limits->head_timeout_us);
    if (!session->acked)
        sooner(&due_us, session->born_us, ACK_US);
    if (session->head_us)
        sooner(&due_us, session->head_us, limits->head_timeout_us);
    if (is_idle(session))
        sooner(&due_us, session->idle_us, limits->idle_timeout_us);
    else
        sooner(&due_us, now_us, LOOK_US);
    if (due_us != UINT64_MAX)
        gw_h2_session_start_timer(session, due_us > now_us ? due_us - now_us : 1);
}

/* ── answers ───────────────────────────────────────────────────────────────── */

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
    struct gw_h2_stream *stream = stream_from(base);

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
    struct gw_h2_stream *stream = stream_from(base);
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
    return stream_from(base)->session->conn;
}

static unsigned stream_number(const struct gw_stream *base)
{
    return stream_from(base)->number;
}

static uint64_t stream_taken(const struct gw_stream *base)
{
    return stream_from(base)->framed;
}

static const struct gw_stream_ops server_ops = {
    .send_head = send_head,
    .send_body = gw_h2_stream_send_body,
    .send_trailers = gw_h2_stream_send_trailers,
    .hold = gw_h2_stream_hold,
    .close = close_stream,
    .conn = stream_conn,
    .number = stream_number,
    .taken = stream_taken,
};

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

    return is_idle(session) && !session->head_us;
}

static bool waits(const struct gw_session *base, uint64_t *since_us)
{
    const struct gw_h2_server *server = server_from(base);
    const struct gw_h2_session *session = &server->session;
    uint64_t now_us = session->loop->clock.now_us;
    bool is_new = server->requests == 0 && now_us - session->born_us < FIRST_REQUEST_US;

    *since_us = session->head_us ? session->head_us : session->idle_us;
    if (!session->conn || !is_idle(session))
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
    .on_timer = on_timer,
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
    start_timer(server);
    return &server->base;
}
