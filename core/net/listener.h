#pragma once
/* Accepts connections on one socket of one worker. */
#include "net/addr.h"
#include "net/conn.h"

struct gw_listener;

/* `conn` is owned by the callee, not yet bound; closing it at once is fine. */
typedef void (*gw_listener_cb)(void *ctx, struct gw_listener *listener, struct gw_conn *conn);

/* `ctx` is that of the listener. */
typedef void (*gw_listener_drop_cb)(void *ctx, const struct gw_addr *peer);

/* Takes the listening descriptor over. Survives EMFILE: has idle connections closed (relief.h), or
 * takes the peer that waits longest with a spare descriptor and hangs up; logs once a second. Sets
 * TCP_NODELAY. Where the kernel cannot watch the socket yet it tries again. NULL, and the
 * descriptor closed, when it is none that can be watched. */
struct gw_listener *gw_listener_open(struct gw_loop *loop, int fd, gw_listener_cb on_conn,
                                     void *ctx);

/* What a peer hears before it is hung up on for want of descriptors (static text), and who is told
 * of it. */
void gw_listener_on_drop(struct gw_listener *listener, struct gw_slice answer,
                         gw_listener_drop_cb on_drop);

/* Stops accepting, at once; frees itself in the close callback. Accepted connections live on. */
void gw_listener_close(struct gw_listener *listener);
const struct gw_addr *gw_listener_addr(const struct gw_listener *listener);
