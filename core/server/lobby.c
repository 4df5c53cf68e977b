#include "server/lobby.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/addr.h"
#include "net/proxy_accept.h"

#define HURRY_US 1000000
#define LOG_EVERY_US 1000000

struct gw_guest {
    struct gw_lobby *lobby;
    const char *port;
    struct gw_limits limits;
    struct gw_proxy_accept *accept;
    gw_guest_cb done;
    void *ctx;
};

/* A load balancer that is set up wrongly sends many of them. */
static void log_refusal(struct gw_guest *guest, const struct gw_conn *conn, const char *problem)
{
    struct gw_lobby *lobby = guest->lobby;
    uint64_t now_us = gw_conn_loop(conn)->clock.now_us;
    char peer[GW_ADDR_TEXT_MAX];

    lobby->refused++;
    if (now_us < lobby->next_log_us)
        return;
    gw_addr_format_ip(gw_conn_peer(conn), peer);
    gw_warn("listener %s: %s is in proxy_protocol.from and must begin with a PROXY header: %s; "
            "%u connections refused",
            guest->port, peer, problem, lobby->refused);
    lobby->refused = 0;
    lobby->next_log_us = now_us + LOG_EVERY_US;
}

static void on_accepted(void *ctx, struct gw_conn *conn, struct gw_slice rest, enum gw_error error,
                        const char *problem)
{
    struct gw_guest *guest = ctx;

    if (gw_error_info(error)->status) /* health checks of load balancers just connect */
        log_refusal(guest, conn, problem ? problem : "it came too slowly");
    guest->done(guest->ctx, conn, &guest->limits, rest, error);
    gw_free(guest);
}

struct gw_guest *gw_lobby_enter(struct gw_lobby *lobby, const char *port,
                                const struct gw_limits *limits, struct gw_conn *conn,
                                gw_guest_cb done, void *ctx)
{
    struct gw_guest *guest = gw_alloc_zero(sizeof(*guest));

    guest->lobby = lobby;
    guest->port = port;
    guest->limits = *limits;
    guest->done = done;
    guest->ctx = ctx;
    guest->accept = gw_proxy_accept_start(conn, limits->head_timeout_us, on_accepted, guest);
    return guest;
}

void gw_guest_hurry(struct gw_guest *guest)
{
    gw_proxy_accept_hurry(guest->accept, HURRY_US);
}

void gw_guest_close(struct gw_guest *guest)
{
    gw_proxy_accept_cancel(guest->accept);
    gw_free(guest);
}
