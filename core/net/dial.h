#pragma once
/* One attempt to connect. Ends once: through `done`, or silently by gw_dial_cancel(). */
#include "net/addr.h"
#include "net/conn.h"

struct gw_dial;

/* `conn` is owned by the callee and not bound yet; NULL with an error (GW_E_CONNECT,
 * GW_E_CONNECT_TIMEOUT). */
typedef void (*gw_dial_cb)(void *ctx, struct gw_conn *conn, enum gw_error error);

/* Nothing is called before it returned. Sets TCP_NODELAY. */
struct gw_dial *gw_dial_start(struct gw_loop *loop, const struct gw_addr *addr, uint64_t timeout_us,
                              gw_dial_cb done, void *ctx);
void gw_dial_cancel(struct gw_dial *dial);

/* Somebody connects it in the place of the network (net/outside.h). */
bool gw_dial_is_outside(const struct gw_dial *dial);
