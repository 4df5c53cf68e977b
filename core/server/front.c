#include "server/front.h"

#include "base/alloc.h"
#include "base/log.h"
#include "http/h1.h"
#include "http/h2.h"
#include "net/listener.h"
#include "net/tls_server.h"
#include "net/tls_start.h"
#include "proxy/peer.h"
#include "server/greeting.h"
#include "server/rest.h"

#define HURRY_US 1000000        /* for handshakes, when a port closes */
#define ALERT_LINGER_US 1000000 /* for the peer to read why there is no connection */
#define GREETING_US 1000000     /* a new connection is not called idle before */

/* One port as this worker listens on it. */
struct door {
    struct gw_list_node node;
    struct gw_front *front;
    struct gw_port *port;
    struct gw_listener *listener;
    struct gw_listener **more; /* sockets that others had before */
    unsigned more_count;
    struct gw_limits limits;
    const struct gw_cidr_set *proxy_from; /* of the current generation; NULL: nobody */
    struct gw_tls_server *tls;            /* the same, one reference; NULL: plain */
    uint64_t handshake_timeout_us;
    bool http2;  /* without TLS: clients may begin with it */
    int index;   /* of the listener in the current generation */
    bool wanted; /* by the commit being taken */
};

/* One client connection. */
struct session {
    struct gw_list_node node;
    struct gw_front *front;
    struct gw_port *port;
    struct door *door; /* NULL once it is closed */
    struct gw_session *http;
    struct gw_guest *guest;         /* while it must say whom it brings, in the place of http */
    struct hands *hands;            /* while it shakes them for TLS, in the place of http */
    bool is_tls, was_tls;           /* speaks it; came in where it is spoken */
    struct gw_greeting *greeting;   /* until it has said what it speaks, in the place of http */
    struct gw_limits *greeted_with; /* what held when it came in; NULL without greeting */
    struct gw_client_count *client; /* NULL: not counted by client */
    bool counted;                   /* among the port's connections */
    struct gw_rest rest;            /* in the place of http, when it has been idle for a while */
};

/* A connection with its handshake under way, and what held when it came in. */
struct hands {
    struct session *session;
    struct gw_tls_start *start;
    struct gw_limits limits;
    uint64_t since_us;
};

/* --- connections --- */

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct session *session = ctx;

    gw_proxy_on_request(session->front->proxy, down, arena, head, end,
                        session->door ? session->door->index : -1);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct session *session = ctx;

    gw_proxy_on_refused(session->front->proxy, down, arena, head, why);
}

static void free_session(struct session *session)
{
    gw_list_remove(&session->node);
    if (session->client)
        gw_clients_leave(session->port->clients, session->client);
    if (session->counted)
        atomic_fetch_sub_explicit(&session->port->connections, 1, memory_order_relaxed);
    gw_free(session->greeted_with);
    gw_free(session);
}

static void on_session_closed(void *ctx, struct gw_session *http)
{
    (void)http;
    free_session(ctx);
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

static struct gw_slice scheme_of(const struct session *session)
{
    return session->is_tls ? GW_SLICE("https") : GW_SLICE("http");
}

/* --- idle for a while --- */

static struct gw_conn *wake(struct session *session)
{
    struct gw_session_limits limits = http_limits(&session->door->limits);
    struct gw_h1_left left = gw_rest_end(&session->rest);

    session->http =
        gw_h1_server_resume(&left, &limits, scheme_of(session), &session_events, session);
    return left.conn;
}

static void on_wake(struct gw_rest *rest, struct gw_slice bytes)
{
    gw_conn_pass_on(wake(container_of(rest, struct session, rest)), bytes);
}

static void on_rest_over(struct gw_rest *rest)
{
    free_session(container_of(rest, struct session, rest));
}

static bool on_rest(void *ctx, struct gw_session *http)
{
    static const struct gw_rest_events events = { on_wake, on_rest_over };
    struct session *session = ctx;

    if (!session->door)
        return false;
    session->http = NULL;
    gw_rest_begin(&session->rest, http, session->door->limits.idle_timeout_us, &events);
    return true;
}

/* --- admission --- */

/* Enters it among the connections of its port. */
static enum gw_error count_in(struct session *session, const struct gw_limits *limits)
{
    unsigned others =
        atomic_fetch_add_explicit(&session->port->connections, 1, memory_order_relaxed);

    session->counted = true;
    return limits->connections && others >= limits->connections ? GW_E_CONNECTIONS : GW_OK;
}

/* Enters it among the connections of its client, where those are counted. */
static enum gw_error count_client_in(struct session *session, const struct gw_limits *limits,
                                     const struct gw_addr *peer)
{
    unsigned most = limits->connections_per_client;
    unsigned char ip[16];
    size_t len;

    if (!most || (len = gw_addr_ip_bytes(peer, ip)) == 0 ||
        gw_proxy_trusts(session->front->proxy, peer))
        return GW_OK;
    session->client = gw_clients_enter(session->port->clients, ip, len, most);
    return session->client ? GW_OK : GW_E_CLIENT_CONNECTIONS;
}

/* One too many: it is answered like everything that is refused, but takes nobody's place. */
static void turn_away(struct session *session, enum gw_error why)
{
    if (session->counted)
        atomic_fetch_sub_explicit(&session->port->connections, 1, memory_order_relaxed);
    session->counted = false;
    gw_session_refuse(session->http, why);
}

static void close_greeting(struct session *session)
{
    gw_greeting_cancel(session->greeting);
    free_session(session);
}

/* The port it came in through is gone when this returns, and maybe the session, too. */
static void drain_session(struct session *session)
{
    if (session->rest.left.conn)
        wake(session);
    session->door = NULL;
    if (session->guest)
        gw_guest_hurry(session->guest);
    else if (session->hands)
        gw_tls_start_hurry(session->hands->start, HURRY_US);
    else if (session->greeting && !session->front->retires)
        close_greeting(session);
    else if (session->greeting) /* it may still bring a request; it is drained then */
        return;
    else if (session->front->retires)
        gw_session_retire(session->http);
    else
        gw_session_drain(session->http);
}

static void begin_http(struct session *session, struct gw_conn *conn,
                       const struct gw_limits *limits, bool is_h2)
{
    const struct gw_h2_limits most = { .session = http_limits(limits) };
    struct gw_slice scheme = scheme_of(session);

    session->http = is_h2 ? gw_h2_server_new(conn, &most, scheme, &session_events, session)
                          : gw_h1_server_new(conn, &most.session, scheme, &session_events, session);
}

/* What both sides agreed on (ALPN). */
static bool speaks_h2(const struct gw_conn *conn)
{
    const struct gw_tls *tls = gw_conn_tls(conn);

    return tls && gw_slice_equal(gw_tls_protocol(tls), GW_SLICE("h2"));
}

/* Nobody can be answered: the peer has got an alert, or said nothing. */
static void give_up_hands(struct session *session, struct gw_conn *conn,
                          enum gw_tls_failure failure)
{
    if (failure == GW_TLS_FAILURE_CLOSED || failure == GW_TLS_FAILURE_SLOW)
        gw_conn_close(conn);
    else
        gw_conn_close_gently(conn, ALERT_LINGER_US);
    free_session(session);
}

static void on_secure(void *ctx, struct gw_conn *conn, enum gw_tls_failure failure,
                      const char *detail)
{
    struct hands *hands = ctx;
    struct session *session = hands->session;
    struct gw_limits limits = hands->limits;

    session->hands = NULL;
    gw_free(hands);
    gw_proxy_on_handshake(session->front->proxy, failure);
    if (failure != GW_TLS_FAILURE_NONE)
        gw_debug("listener %s: TLS: %s%s%s", session->port->written, gw_tls_failure_text(failure),
                 *detail ? ": " : "", detail);
    if (failure != GW_TLS_FAILURE_NONE && failure != GW_TLS_FAILURE_PLAIN_HTTP) {
        give_up_hands(session, conn, failure);
        return;
    }
    session->is_tls = failure == GW_TLS_FAILURE_NONE;
    begin_http(session, conn, &limits, speaks_h2(conn));
    if (!session->is_tls)
        turn_away(session, GW_E_PLAIN_HTTP);
    if (!session->door) /* closed meanwhile */
        drain_session(session);
}

/* One that is refused costs us no handshake: it is closed as it is, with a line in the log. */
static void begin_tls(struct session *session, struct gw_conn *conn, const struct gw_limits *limits,
                      struct gw_slice came, enum gw_error error)
{
    struct gw_tls *tls = error ? NULL : gw_tls_server_accept(session->door->tls);
    struct hands *hands;

    if (!tls) {
        gw_proxy_on_dropped(session->front->proxy, gw_conn_peer(conn),
                            error ? error : GW_E_OVERLOADED);
        gw_conn_close(conn);
        free_session(session);
        return;
    }
    hands = gw_alloc_zero(sizeof(*hands));
    hands->session = session;
    hands->limits = *limits;
    hands->since_us = gw_conn_loop(conn)->clock.now_us;
    session->hands = hands;
    hands->start =
        gw_tls_start_new(conn, tls, came, session->door->handshake_timeout_us, on_secure, hands);
}

static void on_greeted(void *ctx, struct gw_conn *conn, const struct gw_greeting *came, bool is_h2,
                       enum gw_error error)
{
    struct session *session = ctx;

    session->greeting = NULL;
    if (error) { /* nobody asked anything */
        gw_conn_close(conn);
        free_session(session);
        return;
    }
    begin_http(session, conn, session->greeted_with, is_h2);
    gw_free(session->greeted_with);
    session->greeted_with = NULL;
    if (!session->door) /* closed meanwhile */
        drain_session(session);
    gw_greeting_pass_on(came, conn);
}

static void greet(struct session *session, struct gw_conn *conn, const struct gw_limits *limits)
{
    session->greeted_with = gw_alloc(sizeof(*limits));
    *session->greeted_with = *limits;
    session->greeting = gw_greeting_start(conn, limits->idle_timeout_us, limits->head_timeout_us,
                                          on_greeted, session);
}

static void begin(struct session *session, struct gw_conn *conn, const struct gw_limits *limits,
                  struct gw_slice came, enum gw_error error)
{
    if (!error)
        error = count_client_in(session, limits, gw_conn_peer(conn));
    if (limits->write_queue)
        gw_conn_set_write_limit(conn, limits->write_queue);
    if (session->door && session->door->tls) {
        begin_tls(session, conn, limits, came, error);
        return;
    }
    if (!error && session->door && session->door->http2) {
        greet(session, conn, limits);
    } else {
        begin_http(session, conn, limits, false);
        if (error)
            turn_away(session, error);
    }
    gw_conn_pass_on(conn, came);
}

static void on_introduced(void *ctx, struct gw_conn *conn, const struct gw_limits *limits,
                          struct gw_slice rest, enum gw_error error)
{
    struct session *session = ctx;

    session->guest = NULL;
    if (error && gw_error_info(error)->status == 0) { /* nobody asked anything */
        gw_conn_close(conn);
        free_session(session);
        return;
    }
    if (!session->door && session->was_tls) { /* its certificates went with the port */
        gw_conn_close(conn);
        free_session(session);
        return;
    }
    bool is_open = session->door != NULL;

    begin(session, conn, limits, rest, error);
    if (!is_open) /* closed meanwhile */
        drain_session(session);
}

static void on_conn(void *ctx, struct gw_listener *listener, struct gw_conn *conn)
{
    struct door *door = ctx;
    struct session *session = gw_alloc_zero(sizeof(*session));

    (void)listener;
    session->front = door->front;
    session->port = door->port;
    session->door = door;
    session->was_tls = door->tls != NULL;
    gw_list_append(&door->front->sessions, &session->node);

    enum gw_error error = count_in(session, &door->limits);

    if (!error && gw_peer_in(door->proxy_from, gw_conn_peer(conn)))
        session->guest = gw_lobby_enter(&door->front->lobby, door->port->written, &door->limits,
                                        conn, on_introduced, session);
    else
        begin(session, conn, &door->limits, GW_SLICE_EMPTY, error);
}

/* --- when descriptors run out --- */

static void close_hands(struct hands *hands)
{
    gw_tls_start_cancel(hands->start);
    gw_free(hands);
}

static bool shed(void *owner)
{
    struct session *session = owner;

    if (session->http)
        return gw_session_shed(session->http, GW_E_DESCRIPTORS);
    if (session->hands) {
        close_hands(session->hands);
        free_session(session);
        return true;
    }
    if (session->greeting) {
        if (gw_conn_look(gw_greeting_conn(session->greeting)) & GW_CONN_SEES_BYTES)
            return false;
        close_greeting(session);
        return true;
    }
    if (gw_conn_look(session->rest.left.conn) & GW_CONN_SEES_BYTES)
        return false;
    gw_conn_close(gw_rest_end(&session->rest).conn);
    free_session(session);
    return true;
}

static bool greets_for_long(const struct session *session)
{
    uint64_t now_us = session->front->loop->clock.now_us;

    return now_us - gw_greeting_since(session->greeting) >= GREETING_US;
}

static void offer_waiting(struct gw_relief_giver *giver, struct gw_relief *relief)
{
    struct gw_front *front = container_of(giver, struct gw_front, giver);
    uint64_t since_us;

    GW_LIST_EACH(&front->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        if (session->http && gw_session_waits(session->http, &since_us))
            gw_relief_offer(relief, since_us, shed, session);
        else if (session->hands)
            gw_relief_offer(relief, session->hands->since_us, shed, session);
        else if (session->greeting && greets_for_long(session))
            gw_relief_offer(relief, gw_greeting_since(session->greeting), shed, session);
        else if (session->rest.left.conn)
            gw_relief_offer(relief, session->rest.left.since_us, shed, session);
    }
}

static void on_drop(void *ctx, const struct gw_addr *peer)
{
    struct door *door = ctx;

    gw_proxy_on_dropped(door->front->proxy, peer, GW_E_DESCRIPTORS);
}

/* --- doors --- */

static struct door *find_door(struct gw_front *front, const struct gw_port *port)
{
    GW_LIST_EACH(&front->doors, node) {
        struct door *door = container_of(node, struct door, node);

        if (door->port == port)
            return door;
    }
    return NULL;
}

static void open_door(struct gw_front *front, struct gw_port_share *share)
{
    const struct gw_slice to_dropped = GW_SLICE("HTTP/1.1 503 Service Unavailable\r\n"
                                                "content-length: 0\r\nretry-after: 1\r\n"
                                                "connection: close\r\n\r\n");
    struct door *door = gw_alloc_zero(sizeof(*door));

    door->front = front;
    door->port = share->port;
    door->listener = gw_listener_open(front->loop, share->fd, on_conn, door);
    GW_ASSERT(door->listener);
    gw_listener_on_drop(door->listener, to_dropped, on_drop);
    share->fd = -1;
    if (share->more_count)
        door->more = gw_alloc(share->more_count * sizeof(door->more[0]));
    while (share->more_count) {
        int fd = share->more[--share->more_count];

        door->more[door->more_count++] = gw_listener_open(front->loop, fd, on_conn, door);
    }
    gw_port_share_deinit(share);
    gw_list_append(&front->doors, &door->node);
}

/* Who is connected through it finishes the request it is in and no more: the port is gone. */
static void close_door(struct door *door)
{
    GW_LIST_EACH(&door->front->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        if (session->door == door)
            drain_session(session);
    }
    gw_listener_close(door->listener);
    for (unsigned i = 0; i < door->more_count; i++)
        if (door->more[i])
            gw_listener_close(door->more[i]);
    gw_free(door->more);
    gw_tls_server_unref(door->tls);
    gw_list_remove(&door->node);
    gw_free(door);
}

void gw_front_arrange(struct gw_front *front, struct gw_port_share *shares, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        struct gw_tls_server *tls = shares[i].tls;

        shares[i].tls = NULL;
        if (shares[i].fd >= 0)
            open_door(front, &shares[i]);
        struct door *door = find_door(front, shares[i].port);

        GW_ASSERT(door);
        door->limits = shares[i].limits;
        door->proxy_from = shares[i].proxy_from;
        gw_tls_server_unref(door->tls);
        door->tls = tls;
        door->handshake_timeout_us = shares[i].handshake_timeout_us;
        door->http2 = shares[i].http2;
        door->index = (int)i;
        door->wanted = true;
    }
    GW_LIST_EACH(&front->doors, node) {
        struct door *door = container_of(node, struct door, node);

        if (!door->wanted)
            close_door(door);
        else
            door->wanted = false;
    }
}

/* --- the front --- */

void gw_front_init(struct gw_front *front, struct gw_loop *loop, struct gw_proxy *proxy)
{
    *front = (struct gw_front){ .loop = loop, .proxy = proxy };
    gw_list_init(&front->doors);
    gw_list_init(&front->sessions);
    front->giver.offer = offer_waiting;
    gw_relief_join(loop, &front->giver);
}

void gw_front_retire(struct gw_front *front)
{
    front->retires = true;
    GW_LIST_EACH(&front->doors, node)
        close_door(container_of(node, struct door, node));
}

void gw_front_drain(struct gw_front *front)
{
    front->retires = false;
    GW_LIST_EACH(&front->doors, node)
        close_door(container_of(node, struct door, node));
    /* Sessions of doors that a reload closed before are draining already; once more does no harm.
     */
    GW_LIST_EACH(&front->sessions, node)
        drain_session(container_of(node, struct session, node));
}

void gw_front_close(struct gw_front *front)
{
    GW_LIST_EACH(&front->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        if (session->guest)
            gw_guest_close(session->guest);
        else if (session->hands)
            close_hands(session->hands);
        else if (session->greeting)
            gw_greeting_cancel(session->greeting);
        else if (session->rest.left.conn)
            gw_conn_close(gw_rest_end(&session->rest).conn);
        else
            gw_session_close(session->http);
        free_session(session);
    }
}

bool gw_front_empty(const struct gw_front *front)
{
    return gw_list_empty(&front->sessions);
}
