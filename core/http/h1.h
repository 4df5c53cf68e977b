#pragma once
/* HTTP/1.1 (RFC 9112) in both roles, on llhttp without a single lenient flag. What llhttp leaves to
 * us is refused here: see the list in h1_parse.c.
 *
 * A session owns its connection and, one at a time, a stream. */
#include "http/session.h"

/* ── server role ──────────────────────────────────────────────────────────────── */

/* What is left of a session that was idle. */
struct gw_h1_left {
    struct gw_conn *conn; /* owned; not bound */
    uint64_t since_us;    /* idle, by the loop's clock */
    unsigned requests;    /* it had */
};

/* Takes the connection over and binds it. `limits` are copied. `scheme` is static text. */
struct gw_session *gw_h1_server_new(struct gw_conn *conn, const struct gw_session_limits *limits,
                                    struct gw_slice scheme, const struct gw_server_events *events,
                                    void *ctx);

/* Gives the connection away and frees itself; from on_rest only. */
void gw_h1_server_leave(struct gw_session *session, struct gw_h1_left *left);

/* Goes on from what is left: a session like the one that was. */
struct gw_session *gw_h1_server_resume(const struct gw_h1_left *left,
                                       const struct gw_session_limits *limits,
                                       struct gw_slice scheme,
                                       const struct gw_server_events *events, void *ctx);

/* ── client role ──────────────────────────────────────────────────────────────── */

struct gw_h1_client;

struct gw_client_events {
    /* The stream is closed and the connection may carry another request. */
    void (*on_idle)(void *ctx, struct gw_h1_client *session);
    /* The connection is gone (idle ones too: the server closed it, or sent bytes nobody asked for)
     * and no stream is open; the session frees itself after this call. Not called after
     * gw_h1_client_close(). */
    void (*on_closed)(void *ctx, struct gw_h1_client *session);
};

struct gw_h1_client *gw_h1_client_new(struct gw_conn *conn, const struct gw_session_limits *limits,
                                      const struct gw_client_events *events, void *ctx);

/* A stream for one request; only while idle. One that was closed in this very turn gives a stream
 * that ends with GW_E_RESET. Response heads live in `arena`, which outlives the stream. The call's
 * own timeouts are the business of who opened it. */
struct gw_stream *gw_h1_client_open(struct gw_h1_client *session, struct gw_arena *arena);

/* How large the heads may be from now on; between streams. */
void gw_h1_client_limit_heads(struct gw_h1_client *session, size_t bytes, unsigned headers);

/* Ends at once; a stream in flight gets on_end(GW_E_SHUTDOWN) and must still be closed by its
 * owner. */
void gw_h1_client_close(struct gw_h1_client *session);

unsigned gw_h1_client_requests(const struct gw_h1_client *session); /* how many it carried */
struct gw_conn *gw_h1_client_conn(struct gw_h1_client *session);    /* NULL once it is closed */
