#pragma once
/* Where connections of load balancers wait until their PROXY header has come. */
#include "config/config.h"
#include "net/conn.h"

struct gw_guest;

/* `conn` is owned by the callee. With GW_OK it has the addresses of its client, and `rest` is for
 * gw_conn_pass_on(), once it is bound. `limits` are those of the time it came in. With
 * GW_E_PROXY_HEADER or GW_E_HEAD_SLOW it is to be refused; GW_E_CLOSED and GW_E_IDLE: nobody said
 * a word. */
typedef void (*gw_guest_cb)(void *ctx, struct gw_conn *conn, const struct gw_limits *limits,
                            struct gw_slice rest, enum gw_error error);

struct gw_lobby {
    uint64_t next_log_us;
    unsigned refused; /* since the last line */
};

/* Takes the connection over; it has limits->head_timeout_us. `port`, the address as written, and
 * the lobby outlive it. Ends once: through `done`, or by gw_guest_close(). */
struct gw_guest *gw_lobby_enter(struct gw_lobby *lobby, const char *port,
                                const struct gw_limits *limits, struct gw_conn *conn,
                                gw_guest_cb done, void *ctx);

/* It is to be gone soon: what is on its way already may still come. */
void gw_guest_hurry(struct gw_guest *guest);

/* Closes the connection. */
void gw_guest_close(struct gw_guest *guest);
