#pragma once
/* Where a client's connection waits until its first bytes say which HTTP it speaks: the preface of
 * HTTP/2 (RFC 9113 3.4), or anything else, which is HTTP/1. */
#include "base/error.h"
#include "net/conn.h"

struct gw_greeting;

/* `conn` is owned by the callee, who binds it and gives it what came by gw_greeting_pass_on(); the
 * greeting lives as long as the call. With GW_E_CLOSED or GW_E_IDLE nobody asked anything, and it
 * is to be closed. */
typedef void (*gw_greeting_cb)(void *ctx, struct gw_conn *conn, const struct gw_greeting *came,
                               bool is_h2, enum gw_error error);

/* Takes the connection over. Ends once: through `done`, or by gw_greeting_cancel(). Timeouts as in
 * gw_session_limits. */
struct gw_greeting *gw_greeting_start(struct gw_conn *conn, uint64_t idle_timeout_us,
                                      uint64_t head_timeout_us, gw_greeting_cb done, void *ctx);

/* Gives the connection's new owner what was read. */
void gw_greeting_pass_on(const struct gw_greeting *came, struct gw_conn *conn);

/* Since when it waits, by the loop's clock. */
uint64_t gw_greeting_since(const struct gw_greeting *greeting);
const struct gw_conn *gw_greeting_conn(const struct gw_greeting *greeting);

/* Closes the connection. */
void gw_greeting_cancel(struct gw_greeting *greeting);
