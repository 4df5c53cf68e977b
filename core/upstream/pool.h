#pragma once
/* Idle connections to targets, of one worker, and the worker's look at the upstreams. Hands out
 * streams, not connections. */
#include "http/stream.h"
#include "net/conn.h"
#include "net/loop.h"

struct gw_pool;
struct gw_limits;
struct gw_service;
struct gw_tls_sessions;
struct gw_trunks;

struct gw_pool *gw_pool_new(struct gw_loop *loop);
void gw_pool_free(
    struct gw_pool *pool); /* closes idle ones; streams in use must be closed before */

/* Closes what is idle, now, and what becomes idle from now on: at shutdown. */
void gw_pool_drain(struct gw_pool *pool);
unsigned gw_pool_idle(const struct gw_pool *pool); /* from any thread */

/* ── for calls ─────────────────────────────────────────────────────────────────── */

/* A stream on the connection of that key that became idle last, or NULL. The key is the address
 * ("ip:port"), and over TLS more (gw_tls_client_key()). How long the connection is kept after it is
 * the service's wish, and `limits` say how large heads and the write queue may be (NULL: the
 * defaults). Response heads live in `arena`. */
struct gw_stream *gw_pool_take(struct gw_pool *pool, struct gw_slice key,
                               const struct gw_service *service, const struct gw_limits *limits,
                               struct gw_arena *arena);

/* Takes a new connection over and opens a stream on it; it comes to the pool when the stream was
 * closed well. */
struct gw_stream *gw_pool_adopt(struct gw_pool *pool, struct gw_slice key, struct gw_conn *conn,
                                const struct gw_service *service, const struct gw_limits *limits,
                                struct gw_arena *arena);

/* For services that speak HTTP/2. */
struct gw_trunks *gw_pool_trunks(struct gw_pool *pool);

/* TLS sessions with servers. */
struct gw_tls_sessions *gw_pool_tls_sessions(struct gw_pool *pool);

struct gw_views *gw_pool_views(struct gw_pool *pool);

/* Requests that wait for a connection: *gw_pool_pending() is counted by who waits. */
unsigned *gw_pool_pending(struct gw_pool *pool);
