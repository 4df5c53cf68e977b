#pragma once
/* A client's connection with a protocol spoken on it: what HTTP/1 and HTTP/2 in the server role
 * offer to whoever accepted it. A session owns its connection and its streams (http/stream.h): one
 * at a time, or many.
 *
 * If you want to add a protocol, start here: fill a gw_session_ops, call the events. */
#include "http/stream.h"
#include "net/conn.h"

struct gw_session;

/* What every protocol has in common; of both roles. */
struct gw_session_limits {
    size_t head_bytes;        /* request or status line, fields and their separators: 32 KiB */
    unsigned headers;         /* 100 */
    size_t target_bytes;      /* 8 KiB */
    uint64_t head_timeout_us; /* from the first byte of a head to its end: 10 s; 0: no limit */
    uint64_t idle_timeout_us; /* between requests: 60 s; 0: no limit */
    uint64_t min_rate;        /* bytes a second that a client takes of its last answer; 0: any */
    unsigned requests;        /* per connection, then it ends; 0: no limit */
};

struct gw_server_events {
    /* A head is complete. The callee owns the arena from now on (head and later trailers live in
     * it) and must bind the stream before it returns. `end`: no body follows. */
    void (*on_request)(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end);
    /* The codec refuses what came instead of a head (or before it was whole). `head` holds what is
     * known (method_name, raw_target may be empty). The callee owns the arena, answers on `down`
     * (or not: some errors get no answer) and closes it with that error; where the protocol cannot
     * go on after that, the connection ends too. */
    void (*on_refused)(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why);
    /* The connection is gone and no stream is open; the session frees itself after this call. Not
     * called after gw_session_close() and gw_h1_server_leave(). */
    void (*on_closed)(void *ctx, struct gw_session *session);
    /* It has been idle for a little while and holds nothing: now gw_h1_server_leave() may be
     * called. Returns whether it was. NULL: it stays as it is. Only HTTP/1 asks. */
    bool (*on_rest)(void *ctx, struct gw_session *session);
};

struct gw_session_ops {
    /* For a new connection that is one too many: on_refused comes with that error for its first
     * request (HTTP/1: at the end of the turn, before a byte was read), and the connection ends
     * after the answer. */
    void (*refuse)(struct gw_session *session, enum gw_error why);
    /* No more requests after the current ones: the client is told so, an idle connection ends now
     * (on_closed comes). */
    void (*drain)(struct gw_session *session);
    /* The same without hurry: an idle connection may bring one more request, until its idle
     * timeout. Closing it could cross that request on the way. */
    void (*retire)(struct gw_session *session);
    /* Ends at once; streams in flight get on_end(GW_E_SHUTDOWN) and must still be closed by their
     * owners. */
    void (*close)(struct gw_session *session);
    /* NULL once the connection is closed. */
    struct gw_conn *(*conn)(struct gw_session *session);
    /* No request in flight and none begun. */
    bool (*idle)(const struct gw_session *session);
    /* True while nobody works on anything: it is idle and has sent everything (a new one gets a
     * moment for its first request), or a head has begun and is not whole. Since when, by the
     * loop's clock, in *since_us. */
    bool (*waits)(const struct gw_session *session, uint64_t *since_us);
    /* Its place is needed, while it waits: an idle one ends at once, one in a head is told why
     * first; on_closed comes. False, and nothing done, when more has come and was not read yet. */
    bool (*shed)(struct gw_session *session, enum gw_error why);
};

struct gw_session {
    const struct gw_session_ops *ops;
};

static inline void gw_session_refuse(struct gw_session *session, enum gw_error why)
{
    session->ops->refuse(session, why);
}

static inline void gw_session_drain(struct gw_session *session)
{
    session->ops->drain(session);
}

static inline void gw_session_retire(struct gw_session *session)
{
    session->ops->retire(session);
}

static inline void gw_session_close(struct gw_session *session)
{
    session->ops->close(session);
}

static inline struct gw_conn *gw_session_conn(struct gw_session *session)
{
    return session->ops->conn(session);
}

static inline bool gw_session_idle(const struct gw_session *session)
{
    return session->ops->idle(session);
}

static inline bool gw_session_waits(const struct gw_session *session, uint64_t *since_us)
{
    return session->ops->waits(session, since_us);
}

static inline bool gw_session_shed(struct gw_session *session, enum gw_error why)
{
    return session->ops->shed(session, why);
}
