#pragma once
/* A connection to a server that is ready for requests: dialled, what must be said first is said,
 * and secured where the server speaks TLS, all within one time. Ends once: through `done`, or
 * silently by gw_reach_cancel(). */
#include "net/addr.h"
#include "net/conn.h"

struct gw_reach;
struct gw_tls_client;
struct gw_tls_sessions;

struct gw_reach_options {
    struct gw_loop *loop;
    const struct gw_addr *addr;
    uint64_t timeout_us;
    struct gw_slice first; /* goes out before everything else, before TLS, too; lives as long as
                              the reach */
    /* NULL: plain. The rest is for TLS alone, and copied. */
    struct gw_tls_client *tls;
    struct gw_slice name; /* of the server */
    struct gw_slice key;  /* gw_tls_client_key() */
    struct gw_tls_sessions *sessions;
};

/* `conn` is owned by the callee, who binds it; NULL with an error: one of the dial, or GW_E_TLS_…
 */
typedef void (*gw_reach_cb)(void *ctx, struct gw_conn *conn, enum gw_error error);

/* Nothing is called before it returned. */
struct gw_reach *gw_reach_start(const struct gw_reach_options *options, gw_reach_cb done,
                                void *ctx);
void gw_reach_cancel(struct gw_reach *reach);

bool gw_reach_shakes_hands(const struct gw_reach *reach); /* it is connected, TLS begins */
