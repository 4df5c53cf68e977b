#pragma once
/* HTTP/1.1 (RFC 9112) in both roles, on llhttp without a single lenient flag. What llhttp leaves to
 * us is refused here: see the list in h1_parse.c.
 *
 * A session owns its connection and, one at a time, a stream. */
#include "http/stream.h"
#include "net/conn.h"

struct gw_h1_limits {
    size_t head_bytes;        /* request or status line, fields and their separators: 32 KiB */
    unsigned headers;         /* 100 */
    size_t target_bytes;      /* 8 KiB */
    uint64_t head_timeout_us; /* from the first byte of a head to its end: 10 s; 0: no limit */
    uint64_t idle_timeout_us; /* between requests: 60 s; 0: no limit */
    uint64_t min_rate;        /* bytes a second that a client takes of its last answer; 0: any */
    unsigned requests;        /* per connection, then Connection: close; 0: no limit */
};

/* ── server role ──────────────────────────────────────────────────────────────── */

struct gw_h1_server;

struct gw_server_events {
    /* A head is complete. The callee owns the arena from now on (head and later trailers live in
     * it) and must bind the stream before it returns. `end`: no body follows. */
    void (*on_request)(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end);
    /* The codec refuses what came instead of a head (or before it was whole). `head` holds what is
     * known (method_name, raw_target may be empty). The callee owns the arena, answers on `down`
     * (or not: some errors get no answer) and closes it with that error; the connection ends after
     * that. */
    void (*on_refused)(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why);
    /* The connection is gone and no stream is open; the session frees itself after this call. Not
     * called after gw_h1_server_close() and _leave(). */
    void (*on_closed)(void *ctx, struct gw_h1_server *session);
    /* It has been idle for a little while and holds nothing: now gw_h1_server_leave() may be
     * called. Returns whether it was. NULL: it stays as it is. */
    bool (*on_rest)(void *ctx, struct gw_h1_server *session);
};

/* What is left of a session that was idle. */
struct gw_h1_left {
    struct gw_conn *conn; /* owned; not bound */
    uint64_t since_us;    /* idle, by the loop's clock */
    unsigned requests;    /* it had */
};

/* Takes the connection over and binds it. `limits` are copied. `scheme` is static text. */
struct gw_h1_server *gw_h1_server_new(struct gw_conn *conn, const struct gw_h1_limits *limits,
                                      struct gw_slice scheme, const struct gw_server_events *events,
                                      void *ctx);

/* Gives the connection away and frees itself; from on_rest only. */
void gw_h1_server_leave(struct gw_h1_server *session, struct gw_h1_left *left);

/* Goes on from what is left: a session like the one that was. */
struct gw_h1_server *gw_h1_server_resume(const struct gw_h1_left *left,
                                         const struct gw_h1_limits *limits, struct gw_slice scheme,
                                         const struct gw_server_events *events, void *ctx);

/* For a new connection that is one too many: on_refused comes with that error at the end of the
 * turn, before a byte was read, and the connection ends after the answer. */
void gw_h1_server_refuse(struct gw_h1_server *session, enum gw_error why);

/* No more requests after the current one: answers carry Connection: close, an idle connection ends
 * now (on_closed comes). */
void gw_h1_server_drain(struct gw_h1_server *session);

/* The same without hurry: an idle connection may bring one more request, until its idle timeout.
 * Closing it could cross that request on the way. */
void gw_h1_server_retire(struct gw_h1_server *session);

/* Ends at once; a stream in flight gets on_end(GW_E_SHUTDOWN) and must still be closed by its
 * owner. */
void gw_h1_server_close(struct gw_h1_server *session);

/* NULL once the connection is closed. */
struct gw_conn *gw_h1_server_conn(struct gw_h1_server *session);

/* Idle: no request in flight and none begun. */
bool gw_h1_server_idle(const struct gw_h1_server *session);

/* True while nobody works on anything: it is idle and has sent everything (a new one gets a moment
 * for its first request), or a head has begun and is not whole. Since when, by the loop's clock, in
 * *since_us. */
bool gw_h1_server_waits(const struct gw_h1_server *session, uint64_t *since_us);

/* Its place is needed, while it waits: an idle one ends at once, one in a head is told why first;
 * on_closed comes. False, and nothing done, when more has come and was not read yet. */
bool gw_h1_server_shed(struct gw_h1_server *session, enum gw_error why);

/* Of a server stream: its connection, for addresses and byte counts. NULL for other streams. */
struct gw_conn *gw_h1_stream_conn(const struct gw_stream *stream);

/* Of a server stream: which request of its connection it is, the first being 1. 0 for other
 * streams. */
unsigned gw_h1_stream_number(const struct gw_stream *stream);

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

struct gw_h1_client *gw_h1_client_new(struct gw_conn *conn, const struct gw_h1_limits *limits,
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

/* Of a client stream: true once a byte of the request reached the kernel (the retry rule needs
 * it). */
bool gw_h1_stream_sent(const struct gw_stream *stream);
