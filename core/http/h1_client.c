/* The client role: one request after the other on a connection to a service. It goes back to the
 * pool only when request and response were whole, nothing stood behind them and both sides mean to
 * go on; anything else closes it, since bytes of one exchange must never be read as those of the
 * next. */
#include "http/h1_session.h"

#include "base/alloc.h"
#include "http/websocket_key.h"

struct gw_h1_client {
    struct gw_h1_session session;
    const struct gw_client_events *events;
    void *ctx;
    struct gw_defer idle;
    unsigned requests;
    uint64_t out_before; /* bytes the connection had sent when the stream was opened */
    bool asked;          /* the request's head was given */
    bool sent;           /* a byte of it reached the kernel; kept when the connection is gone */
    bool spoiled;        /* bytes came that nobody asked for */
    bool silent;         /* closed by its owner: no on_closed */
    bool proves;         /* the handshake's key is ours: `accept` is what must come */
    char accept[GW_WEBSOCKET_ACCEPT_LEN];
};

static const struct gw_stream_ops client_ops;

static struct gw_h1_client *client_of(const struct gw_h1_session *session)
{
    return container_of(session, struct gw_h1_client, session);
}

static bool look_sent(struct gw_h1_client *client)
{
    const struct gw_conn *conn = client->session.conn;

    if (conn && !client->sent)
        client->sent = gw_conn_bytes_out(conn) > client->out_before;
    return client->sent;
}

static void close_client(struct gw_h1_client *client)
{
    look_sent(client);
    gw_defer_cancel(&client->idle);
    gw_h1_session_close(&client->session, 0);
}

/* ── responses ─────────────────────────────────────────────────────────────── */

static bool wants(const struct gw_h1_session *session)
{
    return session->open && session->stream.events && !session->held && !session->failing &&
           client_of(session)->asked && session->parse.state != GW_H1_DONE;
}

/* Who asked has no key, and needs no proof. */
static bool check_proof(struct gw_h1_client *client, struct gw_head *head)
{
    const struct gw_slice *accept = gw_fields_get(&head->fields, GW_WEBSOCKET_ACCEPT_FIELD);
    bool good = accept && gw_slice_equal(*accept, gw_slice(client->accept, sizeof(client->accept)));

    gw_fields_remove(&head->fields, GW_WEBSOCKET_ACCEPT_FIELD);
    return good;
}

static void on_head(struct gw_h1_session *session)
{
    struct gw_h1_client *client = client_of(session);
    struct gw_h1_parse *parse = &session->parse;

    if (client->proves && parse->head->status == 101 && !check_proof(client, parse->head)) {
        gw_h1_session_fail_now(session, GW_E_UPSTREAM_PROTOCOL);
        return;
    }
    session->in_done = parse->ended;
    if (parse->state == GW_H1_TUNNEL)
        gw_h1_out_tunnel(&session->out);
    session->stream.events->on_head(session->stream.owner, parse->head, parse->ended);
}

static void on_failed(struct gw_h1_session *session)
{
    gw_h1_session_fail_now(session, session->parse.error);
}

static void on_discard(struct gw_h1_session *session, size_t len)
{
    (void)session;
    (void)len;
}

/* A server has nothing to say but answers: what comes before a request was sent, or behind its
 * answer, would be taken for the answer to the next one. */
static void on_settled(struct gw_h1_session *session, bool left)
{
    struct gw_h1_client *client = client_of(session);

    if (!left)
        return;
    if (!session->open) {
        close_client(client);
    } else if (!client->asked) {
        client->spoiled = true;
        gw_h1_session_fail(session, GW_E_RESET);
    } else if (session->parse.state == GW_H1_DONE) {
        client->spoiled = true;
        gw_buf_clear(&session->queue);
    }
}

/* ── the server goes away ──────────────────────────────────────────────────── */

static bool eof_hurries(const struct gw_h1_session *session)
{
    (void)session;
    return false;
}

static bool head_has_begun(const struct gw_h1_session *session)
{
    return session->parse.state != GW_H1_IDLE;
}

static void on_eof(struct gw_h1_session *session)
{
    struct gw_h1_client *client = client_of(session);

    if (!session->open) {
        close_client(client);
        return;
    }
    client->spoiled = true;
    if (!head_has_begun(session)) {
        gw_h1_session_fail_now(session, GW_E_RESET);
        return;
    }
    switch (gw_h1_parse_eof(&session->parse)) {
    case GW_H1_END:
        if (gw_conn_cut(session->conn)) { /* RFC 9112 9.8: its end is not the server's word */
            gw_h1_session_fail_now(session, GW_E_UPSTREAM_CUT);
            break;
        }
        session->in_done = true;
        if (session->stream.events && !session->failing)
            session->stream.events->on_body(session->stream.owner, GW_SLICE_EMPTY, true);
        break;
    case GW_H1_FAILED:
        gw_h1_session_fail_now(session, session->parse.error);
        break;
    case GW_H1_MORE: /* the response is whole already; the owner will close */
    case GW_H1_HEAD:
    case GW_H1_BODY:
    case GW_H1_TRAILERS:
        break;
    }
}

static void on_broken(struct gw_h1_session *session)
{
    struct gw_h1_client *client = client_of(session);
    bool refused = client->requests == 1 && gw_conn_refused(session->conn);
    enum gw_error why = head_has_begun(session) ? GW_E_UPSTREAM_CUT
                        : refused               ? GW_E_TLS_REFUSED
                                                : GW_E_RESET;

    client->spoiled = true;
    close_client(client);
    if (!session->in_done) /* a whole response stays one, whatever became of the request's rest */
        gw_h1_session_fail_now(session, why);
}

static void finish(struct gw_h1_session *session)
{
    struct gw_h1_client *client = client_of(session);

    if (!client->silent)
        client->events->on_closed(client->ctx, client);
    gw_h1_session_deinit(session);
    gw_free(client);
}

/* ── requests ──────────────────────────────────────────────────────────────── */

/* From a client of HTTP/2 (RFC 8441), which sends no key. */
static struct gw_head add_key(struct gw_h1_client *client, const struct gw_head *head,
                              struct gw_arena *arena)
{
    struct gw_head with_key = *head;
    struct gw_slice key = gw_websocket_key(arena);

    with_key.fields = (struct gw_fields){ NULL, 0, 0 };
    gw_fields_copy(&with_key.fields, arena, &head->fields);
    gw_fields_add(&with_key.fields, arena, GW_WEBSOCKET_KEY_FIELD, key);
    gw_websocket_accept(key, client->accept);
    client->proves = true;
    return with_key;
}

static bool lacks_key(const struct gw_head *head)
{
    return head->version == 20 && gw_slice_equal(head->protocol, GW_WEBSOCKET) &&
           !gw_fields_get(&head->fields, GW_WEBSOCKET_KEY_FIELD);
}

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);
    struct gw_h1_client *client = client_of(session);
    struct gw_h1_written written;
    struct gw_head with_key;

    if (session->failing)
        return;
    if (lacks_key(head)) {
        with_key = add_key(client, head, stream->arena);
        head = &with_key;
    }
    if (client->asked || gw_h1_write_request(head, end, stream->arena, &written)) {
        gw_h1_session_fail(session, GW_E_INTERNAL);
        return;
    }
    client->asked = true;
    session->parse.asked_method = head->method;
    session->parse.asked_upgrade = head->protocol.len > 0;
    /* What asks for a tunnel has no body of its own, so it is whole. */
    gw_h1_out_head(&session->out, &written,
                   end || head->protocol.len || head->method == GW_METHOD_CONNECT);
    gw_h1_session_flush_later(session);
    gw_h1_session_pump(session);
}

static void run_idle(struct gw_defer *defer)
{
    struct gw_h1_client *client = container_of(defer, struct gw_h1_client, idle);

    if (client->session.conn && !client->session.open)
        client->events->on_idle(client->ctx, client);
}

static bool is_reusable(const struct gw_h1_session *session)
{
    const struct gw_h1_client *client = client_of(session);

    return session->conn && !session->failing && !client->spoiled && !session->eof &&
           !gw_h1_session_has_unread(session) && session->in_done && session->out.ended &&
           session->out.body != GW_H1_BODY_TUNNEL && session->parse.framing.keep_alive;
}

static void close_stream(struct gw_stream *stream, enum gw_error why)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);
    struct gw_h1_client *client = client_of(session);
    bool keeps = why == GW_OK && is_reusable(session);

    gw_h1_session_detach(session);
    if (!keeps) {
        close_client(client);
        return;
    }
    gw_h1_parse_next_message(&session->parse);
    gw_loop_defer(session->loop, &client->idle, run_idle);
}

static bool is_sent(const struct gw_stream *stream)
{
    return look_sent(client_of(container_of(stream, struct gw_h1_session, stream)));
}

static const struct gw_stream_ops client_ops = {
    .send_head = send_head,
    .send_body = gw_h1_session_send_body,
    .send_trailers = gw_h1_session_send_trailers,
    .hold = gw_h1_session_hold,
    .close = close_stream,
    .sent = is_sent,
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
    .on_broken = on_broken,
    .finish = finish,
};

struct gw_h1_client *gw_h1_client_new(struct gw_conn *conn, const struct gw_session_limits *limits,
                                      const struct gw_client_events *events, void *ctx)
{
    struct gw_h1_client *client = gw_alloc_zero(sizeof(*client));

    client->events = events;
    client->ctx = ctx;
    gw_h1_session_init(&client->session, &role, conn, limits, true);
    return client;
}

struct gw_stream *gw_h1_client_open(struct gw_h1_client *client, struct gw_arena *arena)
{
    struct gw_h1_session *session = &client->session;

    gw_defer_cancel(&client->idle);
    gw_h1_session_open(session, arena);
    session->stream.ops = &client_ops;
    session->parse.arena = arena;
    client->requests++;
    client->asked = client->sent = client->proves = false;
    if (session->conn)
        client->out_before = gw_conn_bytes_out(session->conn);
    else /* gone in this very turn: on_closed is on its way */
        gw_h1_session_fail(session, GW_E_RESET);
    return &session->stream;
}

void gw_h1_client_limit_heads(struct gw_h1_client *client, size_t bytes, unsigned headers)
{
    client->session.limits.head_bytes = bytes;
    client->session.limits.headers = headers;
}

void gw_h1_client_close(struct gw_h1_client *client)
{
    client->silent = true;
    close_client(client);
    gw_h1_session_fail(&client->session, GW_E_SHUTDOWN);
}

unsigned gw_h1_client_requests(const struct gw_h1_client *client)
{
    return client->requests;
}

struct gw_conn *gw_h1_client_conn(struct gw_h1_client *client)
{
    return client->session.conn;
}
