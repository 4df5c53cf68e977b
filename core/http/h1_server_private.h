#pragma once
/* The inside of a server of HTTP/1, for its files: h1_server.c (requests and responses),
 * h1_server_time.c (what takes too long), h1_server_owner.c (what its owner does with it between
 * requests). */
#include "http/h1_answer.h"

#include "base/check.h"

enum gw_h1_server_state {
    GW_H1_SERVER_IDLE,
    GW_H1_SERVER_HEAD,
    GW_H1_SERVER_STREAM,
    GW_H1_SERVER_REFUSED,
    GW_H1_SERVER_DISCARD,
    GW_H1_SERVER_CLOSED,
};

struct gw_h1_server {
    struct gw_session outer; /* what its owner sees */
    struct gw_h1_session session;
    enum gw_h1_server_state state;
    struct gw_slice scheme;
    const struct gw_server_events *events;
    void *ctx;
    struct gw_timer timer; /* what for: see the state */
    struct gw_h1_answer answer;
    unsigned requests;
    size_t discarded;
    uint64_t since_us; /* idle, or in a head */
    uint64_t sent;     /* bytes, when the idle timer last fired */
    bool silent;       /* closed by its owner: no on_closed */
};

static inline struct gw_h1_server *gw_h1_server_of(const struct gw_h1_session *session)
{
    return container_of(session, struct gw_h1_server, session);
}

static inline void gw_h1_server_set_state(struct gw_h1_server *server,
                                          enum gw_h1_server_state state)
{
    GW_ASSERT(server->state != GW_H1_SERVER_CLOSED || state == GW_H1_SERVER_CLOSED);
    server->state = state;
}

static inline struct gw_h1_server *gw_h1_server_of_outer(const struct gw_session *session)
{
    return container_of(session, struct gw_h1_server, outer);
}

/* The connection ends; `linger_us` as in gw_h1_session_close(). */
void gw_h1_server_end(struct gw_h1_server *server, uint64_t linger_us);

/* The answers are whole: lets the client have them. */
void gw_h1_server_end_gently(struct gw_h1_server *server);

/* What came, or is too slow to come, gets an answer by on_refused, and nothing is read after it. */
void gw_h1_server_refuse_now(struct gw_h1_server *server, enum gw_error why);

/* --- h1_server_owner.c --- */

extern const struct gw_session_ops gw_h1_server_session_ops;

/* --- h1_server_time.c --- */

/* The timer of the state it is in; 0: there is no such limit. */
void gw_h1_server_start_timer(struct gw_h1_server *server, uint64_t delay_us);

/* It has just become idle. */
void gw_h1_server_await(struct gw_h1_server *server);

/* How long it has been idle, or in a head. */
uint64_t gw_h1_server_idle_us(const struct gw_h1_server *server);
