#pragma once
/* What stands in the place of the network for one loop: names and connections are answered by the
 * process itself. The plugin harness has one; loops without it (loop->outside is NULL) resolve and
 * dial for real. */
#include "net/addr.h"
#include "net/loop.h"

struct gw_conn;
struct gw_dial;

struct gw_outside {
    /* The address of a name, without a port; false: the name is asked for really. */
    bool (*find)(struct gw_outside *outside, const char *name, struct gw_addr *addr);
    /* Begins to connect. Ends once: through gw_dial_settle(), later, or by dial_gone(). False: it
     * is dialled for real. */
    bool (*dial)(struct gw_outside *outside, struct gw_dial *dial, const struct gw_addr *addr);
    /* Nobody waits for it any more; the pointer is invalid after the call. */
    void (*dial_gone)(struct gw_outside *outside, struct gw_dial *dial);
};

/* The end of what outside->dial() began: a connection, owned by the dial, or NULL with an error. */
void gw_dial_settle(struct gw_dial *dial, struct gw_conn *conn, enum gw_error error);
