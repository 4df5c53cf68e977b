#pragma once
/* The inside of the server role of HTTP/2:
 *
 *   h2_server.c    requests in, and what the connection's owner does with it
 *   h2_answer.c    answers out
 *   h2_patience.c  what takes too long */
#include "http/h2_session.h"

struct gw_h2_server {
    struct gw_session base;
    struct gw_h2_session session;
    struct gw_slice scheme;
    const struct gw_server_events *events;
    void *ctx;
    enum gw_error refusal; /* for the first request; GW_OK: none */
    unsigned requests;
    uint64_t noticed_us; /* when the first GOAWAY went; 0: it did not */
    uint64_t looked_us;
    uint64_t taken; /* bytes, then */
    bool waited;    /* and it was blocked */
    bool silent;    /* closed by its owner: no on_closed */
};

/* No stream, and none with an owner. */
bool gw_h2_server_is_idle(const struct gw_h2_session *session);

/* For our first GOAWAY to reach a client that does not answer. */
#define GW_H2_NOTICE_US 1000000

/* --- h2_answer.c --- */

extern const struct gw_stream_ops gw_h2_server_stream_ops;

/* --- h2_patience.c --- */

/* One timer, for what is due first. */
void gw_h2_server_start_timer(struct gw_h2_server *server);
void gw_h2_server_on_timer(struct gw_h2_session *session);
