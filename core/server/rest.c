#include "server/rest.h"

static void be_over(struct gw_rest *rest)
{
    gw_conn_close(gw_rest_end(rest).conn);
    rest->events->on_over(rest);
}

static void on_timeout(struct gw_timer *timer)
{
    be_over(container_of(timer, struct gw_rest, timer));
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_rest *rest = owner;

    rest->events->on_wake(rest, bytes);
}

static void on_room(void *owner)
{
    (void)owner; /* nothing is sent here */
}

static void on_end(void *owner, enum gw_error why)
{
    (void)why;
    be_over(owner);
}

void gw_rest_begin(struct gw_rest *rest, struct gw_session *session, uint64_t idle_timeout_us,
                   const struct gw_rest_events *events)
{
    static const struct gw_conn_events conn_events = {
        .on_read = on_read,
        .on_room = on_room,
        .on_end = on_end,
    };
    struct gw_loop *loop;
    uint64_t age_us;

    rest->events = events;
    gw_h1_server_leave(session, &rest->left);
    loop = gw_conn_loop(rest->left.conn);
    age_us = loop->clock.now_us - rest->left.since_us;
    gw_conn_bind(rest->left.conn, &conn_events, rest);
    gw_conn_rest(rest->left.conn);
    if (idle_timeout_us)
        gw_timer_start(loop, &rest->timer, idle_timeout_us > age_us ? idle_timeout_us - age_us : 0,
                       on_timeout);
}

struct gw_h1_left gw_rest_end(struct gw_rest *rest)
{
    struct gw_h1_left left = rest->left;

    gw_timer_stop(&rest->timer);
    rest->left.conn = NULL;
    return left;
}
