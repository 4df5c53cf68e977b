#pragma once
/* An accepted connection that must begin with a header of the PROXY protocol: waits for it and
 * takes it off. Ends once: through `done`, or silently by gw_proxy_accept_cancel(). */
#include "net/conn.h"

struct gw_proxy_accept;

/* `conn` is owned by the callee, who binds or closes it. With GW_OK it has the addresses that the
 * header names, and `rest` is what came behind: for gw_conn_pass_on(), once it is bound. Else:
 * GW_E_PROXY_HEADER (`problem` says why: "its addresses are malformed"), GW_E_HEAD_SLOW, and
 * without a single byte GW_E_IDLE or GW_E_CLOSED. */
typedef void (*gw_proxy_accept_cb)(void *ctx, struct gw_conn *conn, struct gw_slice rest,
                                   enum gw_error error, const char *problem);

/* Takes the connection over and binds it. `timeout_us`: for the whole header, from now on; 0: as
 * long as it likes. Nothing is called before it returned. */
struct gw_proxy_accept *gw_proxy_accept_start(struct gw_conn *conn, uint64_t timeout_us,
                                              gw_proxy_accept_cb done, void *ctx);

/* From now on it has so much time, whatever it had before. */
void gw_proxy_accept_hurry(struct gw_proxy_accept *accept, uint64_t timeout_us);

/* Closes the connection, too. */
void gw_proxy_accept_cancel(struct gw_proxy_accept *accept);
