#include "base/alloc.h"
#include "net/listener.h"
#include "server/visitor.h"

/* --- doors --- */

static void on_conn(void *ctx, struct gw_listener *listener, struct gw_conn *conn)
{
    (void)listener;
    gw_visitor_enter(ctx, conn);
}

static void on_drop(void *ctx, const struct gw_addr *peer)
{
    struct gw_door *door = ctx;

    gw_proxy_on_dropped(door->front->proxy, peer, GW_E_DESCRIPTORS);
}

static struct gw_door *find_door(struct gw_front *front, const struct gw_port *port)
{
    GW_LIST_EACH(&front->doors, node) {
        struct gw_door *door = container_of(node, struct gw_door, node);

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
    struct gw_door *door = gw_alloc_zero(sizeof(*door));

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
static void close_door(struct gw_door *door)
{
    GW_LIST_EACH(&door->front->visitors, node) {
        struct gw_visitor *visitor = container_of(node, struct gw_visitor, node);

        if (visitor->door == door)
            gw_visitor_drain(visitor);
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
        struct gw_door *door = find_door(front, shares[i].port);

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
        struct gw_door *door = container_of(node, struct gw_door, node);

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
    gw_list_init(&front->visitors);
    front->giver.offer = gw_visitors_offer_waiting;
    gw_relief_join(loop, &front->giver);
}

void gw_front_retire(struct gw_front *front)
{
    front->retires = true;
    GW_LIST_EACH(&front->doors, node)
        close_door(container_of(node, struct gw_door, node));
}

void gw_front_drain(struct gw_front *front)
{
    front->retires = false;
    GW_LIST_EACH(&front->doors, node)
        close_door(container_of(node, struct gw_door, node));
    /* Those of doors that a reload closed before are draining already; once more does no harm. */
    GW_LIST_EACH(&front->visitors, node)
        gw_visitor_drain(container_of(node, struct gw_visitor, node));
}

void gw_front_close(struct gw_front *front)
{
    GW_LIST_EACH(&front->visitors, node)
        gw_visitor_close(container_of(node, struct gw_visitor, node));
}

bool gw_front_empty(const struct gw_front *front)
{
    return gw_list_empty(&front->visitors);
}
