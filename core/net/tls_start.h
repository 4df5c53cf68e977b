#pragma once
/* A connection that begins with a TLS handshake: makes it, within a time of its own. Ends once:
 * through `done`, or silently by gw_tls_start_cancel(). */
#include "net/conn.h"

struct gw_tls_start;

/* `conn` is owned by the callee, who binds or closes it. GW_TLS_FAILURE_NONE: it speaks TLS. Else
 * it carries plain bytes again; `detail` is static text for logs. */
typedef void (*gw_tls_start_cb)(void *ctx, struct gw_conn *conn, enum gw_tls_failure failure,
                                const char *detail);

/* Takes the connection over and binds it; the engine is owned by the connection. `came`: what was
 * read of it already. `timeout_us`: for the whole handshake; 0: as long as it likes. Nothing is
 * called before it returned. */
struct gw_tls_start *gw_tls_start_new(struct gw_conn *conn, struct gw_tls *tls,
                                      struct gw_slice came, uint64_t timeout_us,
                                      gw_tls_start_cb done, void *ctx);

/* From now on it has so much time, whatever it had before. */
void gw_tls_start_hurry(struct gw_tls_start *start, uint64_t timeout_us);

/* Closes the connection, too. */
void gw_tls_start_cancel(struct gw_tls_start *start);
