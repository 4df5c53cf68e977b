/* The server role: requests in, responses out, one after the other on a connection that is kept.
 *
 *   IDLE ── first byte ──> HEAD ── whole ──> STREAM ── owner closed, all complete ──> IDLE
 *                           │                  └────── request unread ──> DISCARD ──> IDLE
 *                           └── refused ──────> REFUSED ── owner closed ──> CLOSED
 *
 * From everywhere to CLOSED when the connection breaks; on_closed follows in a call of its own,
 * when no stream is open. */
#include "http/h1_answer.h"

#include "base/alloc.h"

#define LINGER_US 2000000          /* for the client to see our last answer and close */
#define LINGER_SENDING_US 30000000 /* while some of it still waits to be sent */
#define DISCARD_BYTES (64 * 1024)  /* of a request nobody reads */
#define DISCARD_US 1000000
#define REST_US 1000000
#define FIRST_REQUEST_US 1000000 /* a new connection is not called idle before */

enum server_state {
    SERVER_IDLE,
    SERVER_HEAD,
    SERVER_STREAM,
    SERVER_REFUSED,
    SERVER_DISCARD,
    SERVER_CLOSED,
};

struct gw_h1_server {
    struct gw_h1_session session;
    enum server_state state;
    struct gw_slice scheme;
    const struct gw_server_events *events;
    void *ctx;
    struct gw_timer timer; /* what for: see the state */
    struct gw_h1_answer answer;
    unsigned requests;
    size_t discarded;
    uint64_t since_us; /* idle, or in a head */
    uint64_t sent;     /* bytes, when the idle timer last fired */
    bool silent;       /* closed by its owner: no on_closed */
};

static const struct gw_stream_ops server_ops;

static struct gw_h1_server *server_of(const struct gw_h1_session *session)
{
    return container_of(session, struct gw_h1_server, session);
}

static void set_state(struct gw_h1_server *server, enum server_state state)
{
    GW_ASSERT(server->state != SERVER_CLOSED || state == SERVER_CLOSED);
    server->state = state;
}

static void close_server(struct gw_h1_server *server, uint64_t linger_us)
{
    set_state(server, SERVER_CLOSED);
    gw_timer_stop(&server->timer);
    gw_h1_session_close(&server->session, linger_us);
}

/* The answers are whole: lets the client have them. */
static void close_gently(struct gw_h1_server *server)
{
    struct gw_conn *conn = server->session.conn;

    close_server(server, conn && gw_conn_queued(conn) ? LINGER_SENDING_US : LINGER_US);
}

/* ── time ──────────────────────────────────────────────────────────────────── */

static void refuse(struct gw_h1_server *server, enum gw_error why);

static void start_timer(struct gw_h1_server *server, uint64_t delay_us);

/* A client that is still taking the last answer is not idle: another round, as long as it takes
 * enough. */
static bool still_sending(struct gw_h1_server *server)
{
    const struct gw_conn *conn = server->session.conn;
    const struct gw_h1_limits *limits = &server->session.limits;
    uint64_t least = limits->min_rate * limits->idle_timeout_us / 1000000;
    uint64_t sent = gw_conn_bytes_taken(conn);

    if (gw_conn_queued(conn) == 0 || sent - server->sent < (least ? least : 1))
        return false;
    server->sent = sent;
    start_timer(server, server->session.limits.idle_timeout_us);
    return true;
}

static uint64_t idle_us(const struct gw_h1_server *server)
{
    return server->session.loop->clock.now_us - server->since_us;
}

/* The first look is early: whoever is idle then most probably stays so. */
static void await_request(struct gw_h1_server *server)
{
    uint64_t timeout_us = server->session.limits.idle_timeout_us;

    if (server->events->on_rest && (!timeout_us || timeout_us > REST_US))
        timeout_us = REST_US;
    start_timer(server, timeout_us);
}

static void look_at_idle(struct gw_h1_server *server)
{
    const struct gw_h1_session *session = &server->session;
    uint64_t timeout_us = session->limits.idle_timeout_us, age_us = idle_us(server);
    bool empty = gw_conn_queued(session->conn) == 0 && !gw_h1_session_has_unread(session);

    if (timeout_us && age_us >= timeout_us) {
        if (!still_sending(server))
            close_server(server, 0);
        return;
    }
    if (empty && server->events->on_rest && server->events->on_rest(server->ctx, server))
        return;
    start_timer(server, timeout_us ? timeout_us - age_us : 0);
}

/* Timers are left running where nothing is at stake and judged by the state when they fire: a
 * request that comes whole costs none. */
static void on_timer(struct gw_timer *timer)
{
    struct gw_h1_server *server = container_of(timer, struct gw_h1_server, timer);

    switch (server->state) {
    case SERVER_IDLE:
        look_at_idle(server);
        break;
    case SERVER_DISCARD:
        close_gently(server);
        break;
    case SERVER_HEAD:
        gw_h1_parse_refuse(&server->session.parse, GW_E_HEAD_SLOW);
        refuse(server, GW_E_HEAD_SLOW);
        break;
    case SERVER_STREAM:
    case SERVER_REFUSED:
    case SERVER_CLOSED:
        break;
    }
}

/* 0: there is no such limit. */
static void start_timer(struct gw_h1_server *server, uint64_t delay_us)
{
    if (delay_us)
        gw_timer_start(server->session.loop, &server->timer, delay_us, on_timer);
    else
        gw_timer_stop(&server->timer);
}

static void go_idle(struct gw_h1_server *server)
{
    struct gw_h1_session *session = &server->session;

    gw_h1_parse_next_message(&session->parse);
    set_state(server, SERVER_IDLE);
    server->since_us = session->loop->clock.now_us;
    if (server->answer.last && !gw_h1_session_has_unread(session)) {
        close_gently(server);
        return;
    }
    await_request(server);
    gw_h1_session_pump(session);
}

/* ── requests ──────────────────────────────────────────────────────────────── */

static bool wants(const struct gw_h1_session *session)
{
    switch (server_of(session)->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
    case SERVER_DISCARD:
        return true;
    case SERVER_STREAM:
        return session->stream.events && !session->held && !session->failing &&
               session->parse.state != GW_H1_DONE && session->parse.state != GW_H1_DEAD;
    case SERVER_REFUSED:
    case SERVER_CLOSED:
        break;
    }
    return false;
}

static void open_stream(struct gw_h1_server *server, enum server_state state, bool keep_alive)
{
    struct gw_h1_session *session = &server->session;
    struct gw_head *head = session->parse.head;

    set_state(server, state);
    head->scheme = server->scheme;
    gw_h1_session_open(session, session->parse.arena);
    session->stream.ops = &server_ops;
    gw_h1_answer_begin(&server->answer, head, keep_alive);
}

static void on_head(struct gw_h1_session *session)
{
    struct gw_h1_server *server = server_of(session);
    unsigned most = session->limits.requests;
    bool more = ++server->requests < most || most == 0;

    open_stream(server, SERVER_STREAM, session->parse.framing.keep_alive && more);
    session->in_done = session->parse.ended;
    server->events->on_request(server->ctx, &session->stream, session->parse.arena,
                               session->parse.head, session->parse.ended);
}

static void refuse(struct gw_h1_server *server, enum gw_error why)
{
    struct gw_h1_session *session = &server->session;

    open_stream(server, SERVER_REFUSED, false);
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
    struct gw_h1_server *server = server_of(session);

    switch (server->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
        refuse(server, session->parse.error);
        break;
    case SERVER_STREAM:
        on_bad_body(server);
        break;
    case SERVER_DISCARD:
        close_gently(server);
        break;
    case SERVER_REFUSED:
    case SERVER_CLOSED:
        break;
    }
}

/* What comes after the owner closed, before the next request may begin. */
static void on_discard(struct gw_h1_session *session, size_t len)
{
    struct gw_h1_server *server = server_of(session);

    server->discarded += len;
    if (server->state != SERVER_DISCARD)
        return;
    if (session->parse.state == GW_H1_DONE)
        go_idle(server);
    else if (server->discarded > DISCARD_BYTES)
        close_gently(server);
}

static void on_settled(struct gw_h1_session *session, bool left)
{
    struct gw_h1_server *server = server_of(session);

    (void)left;
    if (server->state == SERVER_IDLE && gw_h1_parse_begun(&session->parse)) {
        set_state(server, SERVER_HEAD);
        server->since_us = session->loop->clock.now_us;
        start_timer(server, session->limits.head_timeout_us);
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
    struct gw_h1_server *server = server_of(session);

    switch (server->state) {
    case SERVER_IDLE:
    case SERVER_HEAD:
    case SERVER_DISCARD:
        close_gently(server);
        break;
    case SERVER_STREAM:
        if (session->parse.state == GW_H1_TUNNEL) {
            gw_h1_parse_eof(&session->parse);
            session->in_done = true;
            if (session->stream.events && !session->failing)
                session->stream.events->on_body(session->stream.owner, GW_SLICE_EMPTY, true);
            break;
        }
        gw_h1_session_fail_now(session, session->in_done ? GW_E_CLIENT_GONE : GW_E_BODY_CUT);
        break;
    case SERVER_REFUSED:
        gw_h1_session_fail_now(session, GW_E_CLIENT_GONE);
        break;
    case SERVER_CLOSED:
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
    struct gw_h1_server *server = server_of(session);

    close_server(server, 0);
    gw_h1_session_fail_now(session, GW_E_CLIENT_GONE);
}

static void finish(struct gw_h1_session *session)
{
    struct gw_h1_server *server = server_of(session);

    if (!server->silent)
        server->events->on_closed(server->ctx, server);
    gw_h1_session_deinit(session);
    gw_free(server);
}

/* ── responses ─────────────────────────────────────────────────────────────── */

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);

    gw_h1_answer_head(&server_of(session)->answer, session, head, end);
}

/* The client must see that its answer is not whole: a missing last chunk or a missing rest says so,
 * a body that ends with the connection needs more than that. */
static void cut(struct gw_h1_server *server)
{
    if (server->session.out.started && server->session.out.body == GW_H1_BODY_CLOSE)
        gw_h1_session_reset(&server->session);
    close_server(server, 0);
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
    set_state(server, SERVER_DISCARD);
    server->discarded = 0;
    start_timer(server, DISCARD_US);
    if (session->parse.state == GW_H1_IN_LENGTH && session->parse.remaining > DISCARD_BYTES)
        close_gently(server);
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
    struct gw_h1_server *server = server_of(session);
    bool keeps = why == GW_OK && !session->failing && server->state == SERVER_STREAM &&
                 server->answer.asked.keep_alive && session->out.body != GW_H1_BODY_TUNNEL;

    if (may_answer(session, why))
        gw_h1_answer_bare(&server->answer, session, gw_error_info(why)->status);

    bool whole = session->out.ended;

    gw_h1_session_detach(session);
    if (server->state == SERVER_CLOSED || !whole)
        cut(server);
    else if (!keeps)
        close_gently(server);
    else
        keep(server);
}

static const struct gw_stream_ops server_ops = {
    .send_head = send_head,
    .send_body = gw_h1_session_send_body,
    .send_trailers = gw_h1_session_send_trailers,
    .hold = gw_h1_session_hold,
    .close = close_stream,
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

struct gw_h1_server *gw_h1_server_new(struct gw_conn *conn, const struct gw_h1_limits *limits,
                                      struct gw_slice scheme, const struct gw_server_events *events,
                                      void *ctx)
{
    struct gw_h1_server *server = gw_alloc_zero(sizeof(*server));

    server->scheme = scheme;
    server->events = events;
    server->ctx = ctx;
    gw_h1_session_init(&server->session, &role, conn, limits, false);
    server->since_us = server->session.loop->clock.now_us;
    await_request(server);
    return server;
}

void gw_h1_server_leave(struct gw_h1_server *server, struct gw_h1_left *left)
{
    struct gw_h1_session *session = &server->session;

    GW_ASSERT(server->state == SERVER_IDLE && !gw_h1_session_has_unread(session));
    *left = (struct gw_h1_left){ session->conn, server->since_us, server->requests };
    session->conn = NULL;
    server->silent = true;
    close_server(server, 0);
}

struct gw_h1_server *gw_h1_server_resume(const struct gw_h1_left *left,
                                         const struct gw_h1_limits *limits, struct gw_slice scheme,
                                         const struct gw_server_events *events, void *ctx)
{
    struct gw_h1_server *server = gw_h1_server_new(left->conn, limits, scheme, events, ctx);

    server->since_us = left->since_us; /* an empty line is no sign of life */
    server->requests = left->requests;
    return server;
}

static void run_refuse(struct gw_defer *defer)
{
    struct gw_h1_session *session = container_of(defer, struct gw_h1_session, tell);

    if (server_of(session)->state == SERVER_REFUSED) /* else the client is gone already */
        refuse(server_of(session), session->why);
}

void gw_h1_server_refuse(struct gw_h1_server *server, enum gw_error why)
{
    GW_ASSERT(server->state == SERVER_IDLE && server->requests == 0);
    gw_timer_stop(&server->timer);
    gw_h1_parse_refuse(&server->session.parse, why);
    set_state(server, SERVER_REFUSED);
    server->session.why = why;
    gw_loop_defer(server->session.loop, &server->session.tell, run_refuse);
}

void gw_h1_server_drain(struct gw_h1_server *server)
{
    server->answer.last = true;
    if (server->state == SERVER_IDLE && !gw_h1_session_has_unread(&server->session))
        close_gently(server);
}

void gw_h1_server_retire(struct gw_h1_server *server)
{
    server->answer.last = true;
}

void gw_h1_server_close(struct gw_h1_server *server)
{
    server->silent = true;
    close_server(server, 0);
    gw_h1_session_fail(&server->session, GW_E_SHUTDOWN);
}

struct gw_conn *gw_h1_server_conn(struct gw_h1_server *server)
{
    return server->session.conn;
}

bool gw_h1_server_idle(const struct gw_h1_server *server)
{
    return server->state == SERVER_IDLE && !gw_h1_parse_begun(&server->session.parse);
}

bool gw_h1_server_waits(const struct gw_h1_server *server, uint64_t *since_us)
{
    bool is_new = server->requests == 0 && idle_us(server) < FIRST_REQUEST_US;

    *since_us = server->since_us;
    return server->state == SERVER_HEAD ||
           (gw_h1_server_idle(server) && !is_new && gw_conn_queued(server->session.conn) == 0);
}

bool gw_h1_server_shed(struct gw_h1_server *server, enum gw_error why)
{
    unsigned sight = gw_conn_look(server->session.conn);

    if (sight & GW_CONN_SEES_BYTES)
        return false;
    if (server->state == SERVER_IDLE) {
        close_server(server, 0);
        return true;
    }
    gw_h1_parse_refuse(&server->session.parse, why);
    refuse(server, why);
    return true;
}

struct gw_conn *gw_h1_stream_conn(const struct gw_stream *stream)
{
    return stream->ops == &server_ops ? container_of(stream, struct gw_h1_session, stream)->conn
                                      : NULL;
}

unsigned gw_h1_stream_number(const struct gw_stream *stream)
{
    return stream->ops == &server_ops
               ? server_of(container_of(stream, struct gw_h1_session, stream))->requests
               : 0;
}
