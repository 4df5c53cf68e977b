/* A connection that is made is enough; it is closed at once. */
#include "upstream/checks_private.h"

static void on_dialled(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_check *check = ctx;

    check->dial = NULL;
    if (conn)
        gw_conn_close(conn);
    gw_check_done(check, error == GW_E_CONNECT_TIMEOUT ? GW_HEALTH_TIMEOUT
                         : error                       ? GW_HEALTH_TCP_FAILURE
                                                       : GW_HEALTH_SUCCESS);
}

static void start(struct gw_check *check)
{
    check->dial = gw_dial_start(check->group->checks->loop, &check->target->addr,
                                check->plan->check->timeout_us, on_dialled, check);
}

static void end(struct gw_check *check)
{
    if (check->dial)
        gw_dial_cancel(check->dial);
    check->dial = NULL;
}

const struct gw_check_kind gw_check_tcp = { start, end };
