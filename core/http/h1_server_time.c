/* What takes a client too long: idleness, heads, the rest of a request that nobody reads. */
#include "http/h1_server_private.h"

#define REST_US 1000000

/* A client that is still taking the last answer is not idle: another round, as long as it takes
 * enough. */
static bool still_sending(struct gw_h1_server *server)
{
    const struct gw_conn *conn = server->session.conn;
    const struct gw_session_limits *limits = &server->session.limits;
    uint64_t least = limits->min_rate * limits->idle_timeout_us / 1000000;
    uint64_t sent = gw_conn_bytes_taken(conn);

    if (gw_conn_queued(conn) == 0 || sent - server->sent < (least ? least : 1))
        return false;
    server->sent = sent;
    gw_h1_server_start_timer(server, server->session.limits.idle_timeout_us);
    return true;
}

uint64_t gw_h1_server_idle_us(const struct gw_h1_server *server)
{
    return server->session.loop->clock.now_us - server->since_us;
}

/* The first look is early: whoever is idle then most probably stays so. */
void gw_h1_server_await(struct gw_h1_server *server)
{
    uint64_t timeout_us = server->session.limits.idle_timeout_us;

    if (server->events->on_rest && (!timeout_us || timeout_us > REST_US))
        timeout_us = REST_US;
    gw_h1_server_start_timer(server, timeout_us);
}

static void look_at_idle(struct gw_h1_server *server)
{
    const struct gw_h1_session *session = &server->session;
    uint64_t timeout_us = session->limits.idle_timeout_us, age_us = gw_h1_server_idle_us(server);
    bool empty = gw_conn_queued(session->conn) == 0 && !gw_h1_session_has_unread(session);

    if (timeout_us && age_us >= timeout_us) {
        if (!still_sending(server))
            gw_h1_server_end(server, 0);
        return;
    }
    if (empty && server->events->on_rest && server->events->on_rest(server->ctx, &server->outer))
        return;
    gw_h1_server_start_timer(server, timeout_us ? timeout_us - age_us : 0);
}

/* Timers are left running where nothing is at stake and judged by the state when they fire: a
 * request that comes whole costs none. */
static void on_timer(struct gw_timer *timer)
{
    struct gw_h1_server *server = container_of(timer, struct gw_h1_server, timer);

    switch (server->state) {
    case GW_H1_SERVER_IDLE:
        look_at_idle(server);
        break;
    case GW_H1_SERVER_DISCARD:
        gw_h1_server_end_gently(server);
        break;
    case GW_H1_SERVER_HEAD:
        gw_h1_parse_refuse(&server->session.parse, GW_E_HEAD_SLOW);
        gw_h1_server_refuse_now(server, GW_E_HEAD_SLOW);
        break;
    case GW_H1_SERVER_STREAM:
    case GW_H1_SERVER_REFUSED:
    case GW_H1_SERVER_CLOSED:
        break;
    }
}

void gw_h1_server_start_timer(struct gw_h1_server *server, uint64_t delay_us)
{
    if (delay_us)
        gw_timer_start(server->session.loop, &server->timer, delay_us, on_timer);
    else
        gw_timer_stop(&server->timer);
}
