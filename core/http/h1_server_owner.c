/* What the owner of a server does with it between requests: hand its connection on and back, refuse
 * it, drain it, shed it. */
#include "http/h1_server_private.h"

#define FIRST_REQUEST_US 1000000 /* a new connection is not called idle before */

void gw_h1_server_leave(struct gw_session *outer, struct gw_h1_left *left)
{
    struct gw_h1_server *server = gw_h1_server_of_outer(outer);
    struct gw_h1_session *session = &server->session;

    GW_ASSERT(server->state == GW_H1_SERVER_IDLE && !gw_h1_session_has_unread(session));
    *left = (struct gw_h1_left){ session->conn, server->since_us, server->requests };
    session->conn = NULL;
    server->silent = true;
    gw_h1_server_end(server, 0);
}

struct gw_session *gw_h1_server_resume(const struct gw_h1_left *left,
                                       const struct gw_session_limits *limits,
                                       struct gw_slice scheme,
                                       const struct gw_server_events *events, void *ctx)
{
    struct gw_session *session = gw_h1_server_new(left->conn, limits, scheme, events, ctx);
    struct gw_h1_server *server = gw_h1_server_of_outer(session);

    server->since_us = left->since_us; /* an empty line is no sign of life */
    server->requests = left->requests;
    return session;
}

static void run_refuse(struct gw_defer *defer)
{
    struct gw_h1_session *session = container_of(defer, struct gw_h1_session, tell);
    struct gw_h1_server *server = gw_h1_server_of(session);

    if (server->state == GW_H1_SERVER_REFUSED) /* else the client is gone already */
        gw_h1_server_refuse_now(server, session->why);
}

static void refuse(struct gw_session *session, enum gw_error why)
{
    struct gw_h1_server *server = gw_h1_server_of_outer(session);

    GW_ASSERT(server->state == GW_H1_SERVER_IDLE && server->requests == 0);
    gw_timer_stop(&server->timer);
    gw_h1_parse_refuse(&server->session.parse, why);
    gw_h1_server_set_state(server, GW_H1_SERVER_REFUSED);
    server->session.why = why;
    gw_loop_defer(server->session.loop, &server->session.tell, run_refuse);
}

static void drain(struct gw_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of_outer(session);

    server->answer.last = true;
    if (server->state == GW_H1_SERVER_IDLE && !gw_h1_session_has_unread(&server->session))
        gw_h1_server_end_gently(server);
}

static void retire(struct gw_session *session)
{
    gw_h1_server_of_outer(session)->answer.last = true;
}

static void close_session(struct gw_session *session)
{
    struct gw_h1_server *server = gw_h1_server_of_outer(session);

    server->silent = true;
    gw_h1_server_end(server, 0);
    gw_h1_session_fail(&server->session, GW_E_SHUTDOWN);
}

static struct gw_conn *conn_of(struct gw_session *session)
{
    return gw_h1_server_of_outer(session)->session.conn;
}

static bool is_idle(const struct gw_session *session)
{
    const struct gw_h1_server *server = gw_h1_server_of_outer(session);

    return server->state == GW_H1_SERVER_IDLE && !gw_h1_parse_begun(&server->session.parse);
}

static bool waits(const struct gw_session *session, uint64_t *since_us)
{
    const struct gw_h1_server *server = gw_h1_server_of_outer(session);
    bool is_new = server->requests == 0 && gw_h1_server_idle_us(server) < FIRST_REQUEST_US;

    *since_us = server->since_us;
    return server->state == GW_H1_SERVER_HEAD ||
           (is_idle(session) && !is_new && gw_conn_queued(server->session.conn) == 0);
}

static bool shed(struct gw_session *session, enum gw_error why)
{
    struct gw_h1_server *server = gw_h1_server_of_outer(session);
    unsigned sight = gw_conn_look(server->session.conn);

    if (sight & GW_CONN_SEES_BYTES)
        return false;
    if (server->state == GW_H1_SERVER_IDLE) {
        gw_h1_server_end(server, 0);
        return true;
    }
    gw_h1_parse_refuse(&server->session.parse, why);
    gw_h1_server_refuse_now(server, why);
    return true;
}

const struct gw_session_ops gw_h1_server_session_ops = {
    .refuse = refuse,
    .drain = drain,
    .retire = retire,
    .close = close_session,
    .conn = conn_of,
    .idle = is_idle,
    .waits = waits,
    .shed = shed,
};
