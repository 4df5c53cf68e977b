#include "server/front.h"

#include "base/alloc.h"
#include "http/h1.h"
#include "net/listener.h"

/* One port as this worker listens on it. */
struct door {
    struct gw_list_node node;
    struct gw_front *front;
    struct gw_port *port;
    struct gw_listener *listener;
    struct gw_limits limits;
    int index;   /* of the listener in the current generation */
    bool wanted; /* by the commit being taken */
};

/* One client connection. */
struct session {
    struct gw_list_node node;
    struct gw_front *front;
    struct gw_port *port;
    struct door *door; /* NULL once it is closed */
    struct gw_h1_server *h1;
    struct gw_client_count *client; /* NULL: not counted by client */
    bool counted;                   /* among the port's connections */
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
    gw_free(session);
}

static void on_session_closed(void *ctx, struct gw_h1_server *h1)
{
    (void)h1;
    free_session(ctx);
}

static const struct gw_server_events session_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_session_closed,
};

static struct gw_h1_limits h1_limits(const struct gw_limits *limits)
{
    return (struct gw_h1_limits){
        .head_bytes = limits->head,
        .headers = limits->headers,
        .target_bytes = limits->target,
        .head_timeout_us = limits->head_timeout_us,
        .idle_timeout_us = limits->idle_timeout_us,
        .requests = limits->requests_per_connection,
    };
}

/* Enters it among the connections of its port, and of its client where those are counted. */
static enum gw_error admit(struct session *session, const struct gw_addr *peer)
{
    struct door *door = session->door;
    unsigned most = door->limits.connections, most_of_client = door->limits.connections_per_client;
    unsigned char ip[16];
    size_t len;

    session->counted = true;
    if (atomic_fetch_add_explicit(&door->port->connections, 1, memory_order_relaxed) >= most &&
        most)
        return GW_E_CONNECTIONS;
    if (!most_of_client || (len = gw_addr_ip_bytes(peer, ip)) == 0 ||
        gw_proxy_trusts(session->front->proxy, peer))
        return GW_OK;
    session->client = gw_clients_enter(door->port->clients, ip, len, most_of_client);
    return session->client ? GW_OK : GW_E_CLIENT_CONNECTIONS;
}

/* One too many: it is answered like everything that is refused, but takes nobody's place. */
static void turn_away(struct session *session, enum gw_error why)
{
    atomic_fetch_sub_explicit(&session->port->connections, 1, memory_order_relaxed);
    session->counted = false;
    gw_h1_server_refuse(session->h1, why);
}

static void on_conn(void *ctx, struct gw_listener *listener, struct gw_conn *conn)
{
    struct door *door = ctx;
    struct gw_h1_limits limits = h1_limits(&door->limits);
    struct session *session = gw_alloc_zero(sizeof(*session));

    (void)listener;
    session->front = door->front;
    session->port = door->port;
    session->door = door;
    gw_list_append(&door->front->sessions, &session->node);

    enum gw_error error = admit(session, gw_conn_peer(conn));

    if (door->limits.write_queue)
        gw_conn_set_write_limit(conn, door->limits.write_queue);
    session->h1 = gw_h1_server_new(conn, &limits, GW_SLICE("http"), &session_events, session);
    if (error)
        turn_away(session, error);
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
    struct door *door = gw_alloc_zero(sizeof(*door));

    door->front = front;
    door->port = share->port;
    door->listener = gw_listener_open(front->loop, share->fd, on_conn, door);
    GW_ASSERT(door->listener);
    share->fd = -1;
    gw_list_append(&front->doors, &door->node);
}

/* Who is connected through it finishes the request it is in and no more: the port is gone. */
static void close_door(struct door *door)
{
    GW_LIST_EACH(&door->front->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        if (session->door != door)
            continue;
        session->door = NULL;
        gw_h1_server_drain(session->h1);
    }
    gw_listener_close(door->listener);
    gw_list_remove(&door->node);
    gw_free(door);
}

void gw_front_arrange(struct gw_front *front, struct gw_port_share *shares, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (shares[i].fd >= 0)
            open_door(front, &shares[i]);
        struct door *door = find_door(front, shares[i].port);

        GW_ASSERT(door);
        door->limits = shares[i].limits;
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
}

void gw_front_drain(struct gw_front *front)
{
    GW_LIST_EACH(&front->doors, node)
        close_door(container_of(node, struct door, node));
    /* Sessions of doors that a reload closed before are draining already; once more does no harm.
     */
    GW_LIST_EACH(&front->sessions, node)
        gw_h1_server_drain(container_of(node, struct session, node)->h1);
}

void gw_front_close(struct gw_front *front)
{
    GW_LIST_EACH(&front->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        gw_h1_server_close(session->h1);
        free_session(session);
    }
}

bool gw_front_empty(const struct gw_front *front)
{
    return gw_list_empty(&front->sessions);
}
