/* The server role: requests in, responses out, one after the other on a connection that is kept.
 *
 *   IDLE ── first byte ──> HEAD ── whole ──> STREAM ── owner closed, all complete ──> IDLE
 *                           │                  └────── request unread ──> DISCARD ──> IDLE
 *                           └── refused ──────> REFUSED ── owner closed ──> CLOSED
 *
 * From everywhere to CLOSED when the connection breaks; on_closed follows in a call of its own,
 * when no stream is open. */
#include "base/alloc.h"
#include "http/h1_server_private.h"

#define LINGER_US 2000000          /* for the client to see our last answer and close */
#define LINGER_SENDING_US 30000000 /* while some of it still waits to be sent */
#define DISCARD_BYTES (64 * 1024)  /* of a request nobody reads */
#define DISCARD_US 1000000

static const struct gw_stream_ops server_ops;

void gw_h1_server_end(struct gw_h1_server *server, uint64_t linger_us)
{
    gw_h1_server_set_state(server, GW_H1_SERVER_CLOSED);
    gw_timer_stop(&server->timer);
    gw_h1_session_close(&server->session, linger_us);
}

void gw_h1_server_end_gently(struct gw_h1_server *server)
{
    struct gw_conn *conn = server->session.conn;

    gw_h1_server_end(server, conn && gw_conn_queued(conn) ? LINGER_SENDING_US : LINGER_US);
}

static void go_idle(struct gw_h1_server *server)
{
    struct gw_h1_session *session = &server->session;

    gw_h1_parse_next_message(&session->parse);
    gw_h1_server_set_state(server, GW_H1_SERVER_IDLE);
    server->since_us = session->loop->clock.now_us;
    if (server->answer.last && !gw_h1_session_has_unread(session)) {
        gw_h1_server_end_gently(server);
        return;
    }
    gw_h1_server_await(server);
    gw_h1_session_pump(session);
}

/* ── requests ──────────────────────────────────────────────────────────────── */

static bool wants(const struct gw_h1_session *session)
{
    switch (gw_h1_server_of(session)->state) {
    case GW_H1_SERVER_IDLE:
    case GW_H1_SERVER_HEAD:
    case GW_H1_SERVER_DISCARD:
        return true;
    case GW_H1_SERVER_STREAM:
        return session->stream.events && !session->held && !session->failing &&
               session->parse.state != GW_H1_DONE && session->parse.state != GW_H1_DEAD;
    case GW_H1_SERVER_REFUSED:
    case GW_H1_SERVER_CLOSED:
        break;
    }
    return false;
}

static void open_stream(struct gw_h1_server *server, enum gw_h1_server_state state, bool keep_alive)
{
    struct gw_h1_session *session = &server->session;
    struct gw_head *head = session->parse.head;

    gw_h1_server_set_state(server, state);
    head->scheme = server->scheme;
    gw_h1_session_open(session, session->parse.arena);
    session->stream.ops = &server_ops;
    gw_h1_answer_begin(&server->answer, head, keep_alive);
}

static void on_head(struct gw_h1_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of(session);
    unsigned most = session->limits.requests;
    bool more = ++server->requests < most || most == 0;

    open_stream(server, GW_H1_SERVER_STREAM, session->parse.framing.keep_alive && more);
    session->in_done = session->parse.ended;
    server->events->on_request(server->ctx, &session->stream, session->parse.arena,
                               session->parse.head, session->parse.ended);
}

void gw_h1_server_refuse_now(struct gw_h1_server *server, enum gw_error why)
{
    struct gw_h1_session *session = &server->session;

    open_stream(server, GW_H1_SERVER_REFUSED, false);
    server->events->on_refused(server->ctx, &session->stream, session->parse.arena,
                               session->parse.head, why);
}

/* Nothing that comes on this connection can be read any more, but its client may still be told. */
static void on_bad_body(struct gw_h1_server *server)
{
    struct gw_h1_session *session = &server->session;
    const struct gw_stream_events *events = session->stream.events;

    if (!events || !events->on_bad || session->failing || session->out.started) {
        gw_h1_session_fail_now(session, session->parse.error);
        return;
    }
    server->answer.asked.keep_alive = false;
    events->on_bad(session->stream.owner, session->parse.error);
}

static void on_failed(struct gw_h1_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    switch (server->state) {
    case GW_H1_SERVER_IDLE:
    case GW_H1_SERVER_HEAD:
        gw_h1_server_refuse_now(server, session->parse.error);
        break;
    case GW_H1_SERVER_STREAM:
        on_bad_body(server);
        break;
    case GW_H1_SERVER_DISCARD:
        gw_h1_server_end_gently(server);
        break;
    case GW_H1_SERVER_REFUSED:
    case GW_H1_SERVER_CLOSED:
        break;
    }
}

/* What comes after the owner closed, before the next request may begin. */
static void on_discard(struct gw_h1_session *session, size_t len)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    server->discarded += len;
    if (server->state != GW_H1_SERVER_DISCARD)
        return;
    if (session->parse.state == GW_H1_DONE)
        go_idle(server);
    else if (server->discarded > DISCARD_BYTES)
        gw_h1_server_end_gently(server);
}

static void on_settled(struct gw_h1_session *session, bool left)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    (void)left;
    if (server->state == GW_H1_SERVER_IDLE && gw_h1_parse_begun(&session->parse)) {
        gw_h1_server_set_state(server, GW_H1_SERVER_HEAD);
        server->since_us = session->loop->clock.now_us;
        gw_h1_server_start_timer(server, session->limits.head_timeout_us);
    }
}

/* ── the client goes away ──────────────────────────────────────────────────── */

/* Without an owner who might answer, or with a whole request, nothing that is still queued
 * matters. */
static bool eof_hurries(const struct gw_h1_session *session)
{
    return session->open && session->parse.state != GW_H1_TUNNEL;
}

static void on_eof(struct gw_h1_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    switch (server->state) {
    case GW_H1_SERVER_IDLE:
    case GW_H1_SERVER_HEAD:
    case GW_H1_SERVER_DISCARD:
        gw_h1_server_end_gently(server);
        break;
    case GW_H1_SERVER_STREAM:
        if (session->parse.state == GW_H1_TUNNEL) {
            gw_h1_parse_eof(&session->parse);
            session->in_done = true;
            if (session->stream.events && !session->failing)
                session->stream.events->on_body(session->stream.owner, GW_SLICE_EMPTY, true);
            break;
        }
        gw_h1_session_fail_now(session, session->in_done ? GW_E_CLIENT_GONE : GW_E_BODY_CUT);
        break;
    case GW_H1_SERVER_REFUSED:
        gw_h1_session_fail_now(session, GW_E_CLIENT_GONE);
        break;
    case GW_H1_SERVER_CLOSED:
        break;
    }
}

/* The request is not read now, or others stand behind it: its client has gone all the same. */
static void on_hangup(struct gw_h1_session *session)
{
    if (session->open && session->parse.state != GW_H1_TUNNEL)
        gw_h1_session_fail_now(session, GW_E_CLIENT_GONE);
}

static void on_broken(struct gw_h1_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    gw_h1_server_end(server, 0);
    gw_h1_session_fail_now(session, GW_E_CLIENT_GONE);
}

static void finish(struct gw_h1_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of(session);

    if (!server->silent)
        server->events->on_closed(server->ctx, &server->outer);
    gw_h1_session_deinit(session);
    gw_free(server);
}

/* ── responses ─────────────────────────────────────────────────────────────── */

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);

    gw_h1_answer_head(&gw_h1_server_of(session)->answer, session, head, end);
}

/* The client must see that its answer is not whole: a missing last chunk or a missing rest says so,
 * a body that ends with the connection, and a tunnel, need more than that. */
static void cut(struct gw_h1_server *server)
{
    const struct gw_h1_out *out = &server->session.out;

    if (out->started && (out->body == GW_H1_BODY_CLOSE || out->body == GW_H1_BODY_TUNNEL))
        gw_h1_session_reset(&server->session);
    gw_h1_server_end(server, 0);
}

/* Whether the connection goes on after this exchange, and what happens to the rest of its
 * request. */
static void keep(struct gw_h1_server *server)
{
    struct gw_h1_session *session = &server->session;

    if (session->in_done) {
        go_idle(server);
        return;
    }
    gw_h1_server_set_state(server, GW_H1_SERVER_DISCARD);
    server->discarded = 0;
    gw_h1_server_start_timer(server, DISCARD_US);
    if (session->parse.state == GW_H1_IN_LENGTH && session->parse.remaining > DISCARD_BYTES)
        gw_h1_server_end_gently(server);
    else
        gw_h1_session_pump(session);
}

static bool may_answer(const struct gw_h1_session *session, enum gw_error why)
{
    const struct gw_error_info *info = gw_error_info(why);

    return session->conn && !session->out.started && info->status && info->status != 499;
}

static void close_stream(struct gw_stream *stream, enum gw_error why)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);
    struct gw_h1_server *server = gw_h1_server_of(session);
    bool keeps = why == GW_OK && !session->failing && server->state == GW_H1_SERVER_STREAM &&
                 server->answer.asked.keep_alive && session->out.body != GW_H1_BODY_TUNNEL;

    if (may_answer(session, why))
        gw_h1_answer_bare(&server->answer, session, gw_error_info(why)->status);

    bool whole = session->out.ended;

    gw_h1_session_detach(session);
    if (server->state == GW_H1_SERVER_CLOSED || !whole)
        cut(server);
    else if (!keeps)
        gw_h1_server_end_gently(server);
    else
        keep(server);
}

/* ── facts ─────────────────────────────────────────────────────────────────── */

static struct gw_conn *conn_of(const struct gw_stream *stream)
{
    return container_of(stream, struct gw_h1_session, stream)->conn;
}

static unsigned number_of(const struct gw_stream *stream)
{
    return gw_h1_server_of(container_of(stream, struct gw_h1_session, stream))->requests;
}

static uint64_t taken_of(const struct gw_stream *stream)
{
    const struct gw_conn *conn = conn_of(stream);

    return conn ? gw_conn_bytes_taken(conn) : 0;
}

static const struct gw_stream_ops server_ops = {
    .send_head = send_head,
    .send_body = gw_h1_session_send_body,
    .send_trailers = gw_h1_session_send_trailers,
    .hold = gw_h1_session_hold,
    .close = close_stream,
    .conn = conn_of,
    .number = number_of,
    .taken = taken_of,
};

/* ── life ──────────────────────────────────────────────────────────────────── */

static const struct gw_h1_role role = {
    .wants = wants,
    .on_head = on_head,
    .on_discard = on_discard,
    .on_failed = on_failed,
    .on_settled = on_settled,
    .on_eof = on_eof,
    .eof_hurries = eof_hurries,
    .on_hangup = on_hangup,
    .on_broken = on_broken,
    .finish = finish,
};

struct gw_session *gw_h1_server_new(struct gw_conn *conn, const struct gw_session_limits *limits,
                                    struct gw_slice scheme, const struct gw_server_events *events,
                                    void *ctx)
{
    struct gw_h1_server *server = gw_alloc_zero(sizeof(*server));

    server->outer.ops = &gw_h1_server_session_ops;
    server->scheme = scheme;
    server->events = events;
    server->ctx = ctx;
    gw_h1_session_init(&server->session, &role, conn, limits, false);
    server->since_us = server->session.loop->clock.now_us;
    gw_h1_server_await(server);
    return &server->outer;
}
