/* Hearing that the peer has gone while nothing is read. */
#include "base/alloc.h"
#include "net/conn_private.h"

#define LOOK_US 1000000

/* A held connection is not read, and libuv tells of no end without reading: we look. */
struct gw_conn_watch {
    struct gw_conn *conn;
    struct gw_timer timer;
};

static void stop_watch(struct gw_conn *conn)
{
    if (!conn->watch)
        return;
    gw_timer_stop(&conn->watch->timer);
    gw_free(conn->watch);
    conn->watch = NULL;
}

static void on_look(struct gw_timer *timer)
{
    struct gw_conn *conn = container_of(timer, struct gw_conn_watch, timer)->conn;

    if (!(gw_conn_look(conn) & GW_CONN_SEES_END)) {
        gw_timer_start(conn->loop, timer, LOOK_US, on_look);
        return;
    }
    stop_watch(conn);
    conn->events->on_hangup(conn->owner);
}

void gw_conn_watch_hangup(struct gw_conn *conn)
{
    bool wanted = conn->held && conn->events && conn->events->on_hangup &&
                  conn->receiving == GW_CONN_RECEIVES;

    if (!wanted) {
        stop_watch(conn);
    } else if (!conn->watch) {
        conn->watch = gw_alloc_zero(sizeof(*conn->watch));
        conn->watch->conn = conn;
        gw_timer_start(conn->loop, &conn->watch->timer, LOOK_US, on_look);
    }
}
