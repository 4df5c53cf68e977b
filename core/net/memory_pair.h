#pragma once
/* Two connections that are each other's peer, in memory: what tests and the plugin harness use
 * instead of sockets. Behaves like a socket pair: what is written on one side is read on the other
 * in a later deferred call, in the same chunks unless a side is held; shutdown and close travel
 * behind the bytes. */
#include "net/conn.h"

/* Both ends owned by the caller, not yet bound. The addresses are what gw_conn_peer() and _local()
 * say of `near`, swapped for `far`; may be NULL (127.0.0.1:1 and :2). */
void gw_memory_pair_new(struct gw_loop *loop, const struct gw_addr *near_peer,
                        const struct gw_addr *near_local, struct gw_conn **near,
                        struct gw_conn **far);
