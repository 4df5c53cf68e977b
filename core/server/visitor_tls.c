#include "base/alloc.h"
#include "base/log.h"
#include "net/tls_start.h"
#include "server/visitor.h"

#define HURRY_US 1000000        /* for handshakes, when a port closes */
#define ALERT_LINGER_US 1000000 /* for the peer to read why there is no connection */

struct gw_hands {
    struct gw_visitor *visitor;
    struct gw_tls_start *start;
    struct gw_limits limits;
    uint64_t since_us;
};

/* What both sides agreed on (ALPN). */
static bool speaks_h2(const struct gw_conn *conn)
{
    const struct gw_tls *tls = gw_conn_tls(conn);

    return tls && gw_slice_equal(gw_tls_protocol(tls), GW_SLICE("h2"));
}

/* Nobody can be answered: the peer has got an alert, or said nothing. */
static void give_up(struct gw_visitor *visitor, struct gw_conn *conn, enum gw_tls_failure failure)
{
    if (failure == GW_TLS_FAILURE_CLOSED || failure == GW_TLS_FAILURE_SLOW)
        gw_conn_close(conn);
    else
        gw_conn_close_gently(conn, ALERT_LINGER_US);
    gw_visitor_free(visitor);
}

static void on_secure(void *ctx, struct gw_conn *conn, enum gw_tls_failure failure,
                      const char *detail)
{
    struct gw_hands *hands = ctx;
    struct gw_visitor *visitor = hands->visitor;
    struct gw_limits limits = hands->limits;

    visitor->hands = NULL;
    gw_free(hands);
    gw_proxy_on_handshake(visitor->front->proxy, conn, failure);
    if (failure != GW_TLS_FAILURE_NONE)
        gw_debug("listener %s: TLS: %s%s%s", visitor->port->written, gw_tls_failure_text(failure),
                 *detail ? ": " : "", detail);
    if (failure != GW_TLS_FAILURE_NONE && failure != GW_TLS_FAILURE_PLAIN_HTTP) {
        give_up(visitor, conn, failure);
        return;
    }
    visitor->is_tls = failure == GW_TLS_FAILURE_NONE;
    gw_visitor_begin_http(visitor, conn, &limits, speaks_h2(conn));
    if (!visitor->is_tls)
        gw_visitor_turn_away(visitor, GW_E_PLAIN_HTTP);
    if (!visitor->door) /* closed meanwhile */
        gw_visitor_drain(visitor);
}

void gw_visitor_begin_tls(struct gw_visitor *visitor, struct gw_conn *conn,
                          const struct gw_limits *limits, struct gw_slice came, enum gw_error error)
{
    struct gw_tls *tls = error ? NULL : gw_tls_server_accept(visitor->door->tls);
    struct gw_hands *hands;

    if (!tls) {
        gw_proxy_on_dropped(visitor->front->proxy, gw_conn_peer(conn),
                            error ? error : GW_E_OVERLOADED);
        gw_conn_close(conn);
        gw_visitor_free(visitor);
        return;
    }
    hands = gw_alloc_zero(sizeof(*hands));
    hands->visitor = visitor;
    hands->limits = *limits;
    hands->since_us = gw_conn_loop(conn)->clock.now_us;
    visitor->hands = hands;
    hands->start =
        gw_tls_start_new(conn, tls, came, visitor->door->handshake_timeout_us, on_secure, hands);
}

void gw_visitor_hurry_hands(struct gw_visitor *visitor)
{
    gw_tls_start_hurry(visitor->hands->start, HURRY_US);
}

uint64_t gw_visitor_hands_since(const struct gw_visitor *visitor)
{
    return visitor->hands->since_us;
}

void gw_visitor_close_hands(struct gw_visitor *visitor)
{
    gw_tls_start_cancel(visitor->hands->start);
    gw_free(visitor->hands);
    visitor->hands = NULL;
}
