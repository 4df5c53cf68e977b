#include "server/visitor.h"

#include "base/alloc.h"
#include "http/h1.h"
#include "http/h2.h"
#include "proxy/peer.h"
#include "server/greeting.h"

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct gw_visitor *visitor = ctx;

    gw_proxy_on_request(visitor->front->proxy, down, arena, head, end,
                        visitor->door ? visitor->door->index : -1);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct gw_visitor *visitor = ctx;

    gw_proxy_on_refused(visitor->front->proxy, down, arena, head, why);
}

void gw_visitor_free(struct gw_visitor *visitor)
{
    gw_list_remove(&visitor->node);
    if (visitor->client)
        gw_clients_leave(visitor->port->clients, visitor->client);
    if (visitor->counted)
        atomic_fetch_sub_explicit(&visitor->port->connections, 1, memory_order_relaxed);
    gw_free(visitor->greeted_with);
    gw_free(visitor);
}

static void on_session_closed(void *ctx, struct gw_session *http)
{
    (void)http;
    gw_visitor_free(ctx);
}

static bool on_rest(void *ctx, struct gw_session *http);

static const struct gw_server_events session_events = {
    .on_rest = on_rest,
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_session_closed,
};

static struct gw_session_limits http_limits(const struct gw_limits *limits)
{
    return (struct gw_session_limits){
        .head_bytes = limits->head,
        .headers = limits->headers,
        .target_bytes = limits->target,
        .head_timeout_us = limits->head_timeout_us,
        .idle_timeout_us = limits->idle_timeout_us,
        .min_rate = limits->body_min_rate,
        .requests = limits->requests_per_connection,
    };
}

static struct gw_slice scheme_of(const struct gw_visitor *visitor)
{
    return visitor->is_tls ? GW_SLICE("https") : GW_SLICE("http");
}

/* --- idle for a while --- */

static struct gw_conn *wake(struct gw_visitor *visitor)
{
    struct gw_session_limits limits = http_limits(&visitor->door->limits);
    struct gw_h1_left left = gw_rest_end(&visitor->rest);

    visitor->http =
        gw_h1_server_resume(&left, &limits, scheme_of(visitor), &session_events, visitor);
    return left.conn;
}

static void on_wake(struct gw_rest *rest, struct gw_slice bytes)
{
    gw_conn_pass_on(wake(container_of(rest, struct gw_visitor, rest)), bytes);
}

static void on_rest_over(struct gw_rest *rest)
{
    gw_visitor_free(container_of(rest, struct gw_visitor, rest));
}

static bool on_rest(void *ctx, struct gw_session *http)
{
    static const struct gw_rest_events events = { on_wake, on_rest_over };
    struct gw_visitor *visitor = ctx;

    if (!visitor->door)
        return false;
    visitor->http = NULL;
    gw_rest_begin(&visitor->rest, http, visitor->door->limits.idle_timeout_us, &events);
    return true;
}

/* --- admission --- */

/* Enters it among the connections of its port. */
static enum gw_error count_in(struct gw_visitor *visitor, const struct gw_limits *limits)
{
    unsigned others =
        atomic_fetch_add_explicit(&visitor->port->connections, 1, memory_order_relaxed);

    visitor->counted = true;
    return limits->connections && others >= limits->connections ? GW_E_CONNECTIONS : GW_OK;
}

/* Enters it among the connections of its client, where those are counted. */
static enum gw_error count_client_in(struct gw_visitor *visitor, const struct gw_limits *limits,
                                     const struct gw_addr *peer)
{
    unsigned most = limits->connections_per_client;
    unsigned char ip[16];
    size_t len;

    if (!most || (len = gw_addr_ip_bytes(peer, ip)) == 0 ||
        gw_proxy_trusts(visitor->front->proxy, peer))
        return GW_OK;
    visitor->client = gw_clients_enter(visitor->port->clients, ip, len, most);
    return visitor->client ? GW_OK : GW_E_CLIENT_CONNECTIONS;
}

void gw_visitor_turn_away(struct gw_visitor *visitor, enum gw_error why)
{
    if (visitor->counted)
        atomic_fetch_sub_explicit(&visitor->port->connections, 1, memory_order_relaxed);
    visitor->counted = false;
    gw_session_refuse(visitor->http, why);
}

void gw_visitor_close_greeting(struct gw_visitor *visitor)
{
    gw_greeting_cancel(visitor->greeting);
    gw_visitor_free(visitor);
}

void gw_visitor_drain(struct gw_visitor *visitor)
{
    if (visitor->rest.left.conn)
        wake(visitor);
    visitor->door = NULL;
    if (visitor->guest)
        gw_guest_hurry(visitor->guest);
    else if (visitor->hands)
        gw_visitor_hurry_hands(visitor);
    else if (visitor->greeting && !visitor->front->retires)
        gw_visitor_close_greeting(visitor);
    else if (visitor->greeting) /* it may still bring a request; it is drained then */
        return;
    else if (visitor->front->retires)
        gw_session_retire(visitor->http);
    else
        gw_session_drain(visitor->http);
}

void gw_visitor_begin_http(struct gw_visitor *visitor, struct gw_conn *conn,
                           const struct gw_limits *limits, bool is_h2)
{
    const struct gw_h2_limits most = { .session = http_limits(limits) };
    struct gw_slice scheme = scheme_of(visitor);

    visitor->http = is_h2 ? gw_h2_server_new(conn, &most, scheme, &session_events, visitor)
                          : gw_h1_server_new(conn, &most.session, scheme, &session_events, visitor);
}

static void on_greeted(void *ctx, struct gw_conn *conn, const struct gw_greeting *came, bool is_h2,
                       enum gw_error error)
{
    struct gw_visitor *visitor = ctx;

    visitor->greeting = NULL;
    if (error) { /* nobody asked anything */
        gw_conn_close(conn);
        gw_visitor_free(visitor);
        return;
    }
    gw_visitor_begin_http(visitor, conn, visitor->greeted_with, is_h2);
    gw_free(visitor->greeted_with);
    visitor->greeted_with = NULL;
    if (!visitor->door) /* closed meanwhile */
        gw_visitor_drain(visitor);
    gw_greeting_pass_on(came, conn);
}

static void greet(struct gw_visitor *visitor, struct gw_conn *conn, const struct gw_limits *limits)
{
    visitor->greeted_with = gw_alloc(sizeof(*limits));
    *visitor->greeted_with = *limits;
    visitor->greeting = gw_greeting_start(conn, limits->idle_timeout_us, limits->head_timeout_us,
                                          on_greeted, visitor);
}

static void begin(struct gw_visitor *visitor, struct gw_conn *conn, const struct gw_limits *limits,
                  struct gw_slice came, enum gw_error error)
{
    if (!error)
        error = count_client_in(visitor, limits, gw_conn_peer(conn));
    if (limits->write_queue)
        gw_conn_set_write_limit(conn, limits->write_queue);
    if (visitor->door && visitor->door->tls) {
        gw_visitor_begin_tls(visitor, conn, limits, came, error);
        return;
    }
    if (!error && visitor->door && visitor->door->http2) {
        greet(visitor, conn, limits);
    } else {
        gw_visitor_begin_http(visitor, conn, limits, false);
        if (error)
            gw_visitor_turn_away(visitor, error);
    }
    gw_conn_pass_on(conn, came);
}

static void on_introduced(void *ctx, struct gw_conn *conn, const struct gw_limits *limits,
                          struct gw_slice rest, enum gw_error error)
{
    struct gw_visitor *visitor = ctx;

    visitor->guest = NULL;
    if (error && gw_error_info(error)->status == 0) { /* nobody asked anything */
        gw_conn_close(conn);
        gw_visitor_free(visitor);
        return;
    }
    if (!visitor->door && visitor->was_tls) { /* its certificates went with the port */
        gw_conn_close(conn);
        gw_visitor_free(visitor);
        return;
    }
    bool is_open = visitor->door != NULL;

    begin(visitor, conn, limits, rest, error);
    if (!is_open) /* closed meanwhile */
        gw_visitor_drain(visitor);
}

void gw_visitor_enter(struct gw_door *door, struct gw_conn *conn)
{
    struct gw_visitor *visitor = gw_alloc_zero(sizeof(*visitor));

    visitor->front = door->front;
    visitor->port = door->port;
    visitor->door = door;
    visitor->was_tls = door->tls != NULL;
    gw_list_append(&door->front->visitors, &visitor->node);

    enum gw_error error = count_in(visitor, &door->limits);

    if (!error && gw_peer_in(door->proxy_from, gw_conn_peer(conn)))
        visitor->guest = gw_lobby_enter(&door->front->lobby, door->port->written, &door->limits,
                                        conn, on_introduced, visitor);
    else
        begin(visitor, conn, &door->limits, GW_SLICE_EMPTY, error);
}

void gw_visitor_close(struct gw_visitor *visitor)
{
    if (visitor->guest)
        gw_guest_close(visitor->guest);
    else if (visitor->hands)
        gw_visitor_close_hands(visitor);
    else if (visitor->greeting)
        gw_greeting_cancel(visitor->greeting);
    else if (visitor->rest.left.conn)
        gw_conn_close(gw_rest_end(&visitor->rest).conn);
    else
        gw_session_close(visitor->http);
    gw_visitor_free(visitor);
}
