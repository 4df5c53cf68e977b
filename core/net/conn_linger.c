/* The gentle way out: what is queued is sent, then our end, and the peer gets time to see it; what
 * it still sends is thrown away, so that the kernel does not answer it with a reset. */
#include "base/alloc.h"
#include "net/conn_private.h"

#define LINGER_DISCARD_MAX (64 * 1024)
#define LINGERING_MAX 1024 /* on one loop; beyond, the oldest goes: a flood must not pile up here */

/* It owns the connection until one of the two ends comes. */
struct gw_conn_linger {
    struct gw_conn *conn;
    struct gw_list_node node; /* in loop->lingering */
    struct gw_timer timer;
    size_t discarded;
};

static void on_linger_read(void *owner, struct gw_slice bytes)
{
    struct gw_conn_linger *linger = owner;

    linger->discarded += bytes.len;
    if (linger->discarded > LINGER_DISCARD_MAX)
        gw_conn_close(linger->conn);
}

static void on_linger_room(void *owner)
{
    (void)owner;
}

static void on_linger_end(void *owner, enum gw_error why)
{
    struct gw_conn_linger *linger = owner;

    if (why == GW_E_CLOSED && linger->conn->write_active)
        return; /* gw_conn_wrote() closes */
    gw_conn_close(linger->conn);
}

static void on_linger_timeout(struct gw_timer *timer)
{
    gw_conn_close(container_of(timer, struct gw_conn_linger, timer)->conn);
}

static void close_oldest_lingering(struct gw_loop *loop)
{
    gw_conn_close(container_of(gw_list_first(&loop->lingering), struct gw_conn_linger, node)->conn);
}

void gw_conn_close_gently(struct gw_conn *conn, uint64_t linger_us)
{
    static const struct gw_conn_events linger_events = {
        .on_read = on_linger_read,
        .on_room = on_linger_room,
        .on_end = on_linger_end,
    };
    bool peer_ended = conn->receiving == GW_CONN_ENDED && !conn->write_active;

    if (peer_ended || conn->receiving == GW_CONN_BROKEN || conn->sending == GW_CONN_FAILED) {
        gw_conn_close(conn);
        return;
    }
    struct gw_conn_linger *linger = gw_alloc_zero(sizeof(*linger));

    linger->conn = conn;
    conn->linger = linger;
    gw_list_append(&conn->loop->lingering, &linger->node);
    if (++conn->loop->lingering_count > LINGERING_MAX)
        close_oldest_lingering(conn->loop);
    gw_timer_start(conn->loop, &linger->timer, linger_us, on_linger_timeout);
    conn->wants_room = false;
    conn->held = false;
    gw_conn_bind(conn, &linger_events, linger);
    gw_conn_shutdown(conn);
}

unsigned gw_conn_cut_lingering(struct gw_loop *loop)
{
    struct gw_list_node *node;
    unsigned count = 0;

    for (; (node = gw_list_first(&loop->lingering)); count++)
        gw_conn_close(container_of(node, struct gw_conn_linger, node)->conn);
    return count;
}

void gw_conn_end_linger(struct gw_conn *conn)
{
    if (!conn->linger)
        return;
    gw_timer_stop(&conn->linger->timer);
    gw_list_remove(&conn->linger->node);
    conn->loop->lingering_count--;
    gw_free(conn->linger);
    conn->linger = NULL;
}
