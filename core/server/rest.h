#pragma once
/* A client's connection that has been idle for a while: nothing is left of it but the connection.
 * What its protocol needs is made anew when bytes come, so that ten thousand idle ones are cheap.
 */
#include "http/h1.h"
#include "net/loop.h"

struct gw_rest;

struct gw_rest_events {
    /* Bytes came, borrowed for the call: whoever binds the connection now gets them by
     * gw_conn_pass_on(). */
    void (*on_wake)(struct gw_rest *rest, struct gw_slice bytes);
    /* Idle for too long, or the peer ended: the connection is closed. The struct may be freed. */
    void (*on_over)(struct gw_rest *rest);
};

/* Lives in the struct it serves; rest->left.conn is NULL while it does not rest. */
struct gw_rest {
    struct gw_h1_left left;
    struct gw_timer timer;
    const struct gw_rest_events *events;
};

/* Takes the connection out of an idle session, which frees itself. `idle_timeout_us` counts from
 * when it became idle; 0: for ever. */
void gw_rest_begin(struct gw_rest *rest, struct gw_session *session, uint64_t idle_timeout_us,
                   const struct gw_rest_events *events);

/* Gives the connection back for gw_h1_server_resume(), or to be closed. */
struct gw_h1_left gw_rest_end(struct gw_rest *rest);
