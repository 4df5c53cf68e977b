#pragma once
/* A Redis as a configuration describes it: where it is, who we are there, how much of it we put up
 * with. Made on the loader thread, counted, never changed. */
#include "base/refs.h"
#include "base/slice.h"

#ifndef GW_CDEF
#include <stdint.h>
#endif

struct gw_arena;
struct gw_tls_client;

struct gw_redis_options {
    struct gw_slice name; /* for messages */
    struct gw_slice host; /* empty: the unix socket */
    uint16_t port;
    struct gw_slice unix_socket;
    struct gw_slice username, password; /* empty: none */
    unsigned database;
    struct gw_tls_client *tls;   /* NULL: plain */
    struct gw_slice server_name; /* what its certificate must name; empty: the host */
    uint64_t timeout_us;         /* of a command that says nothing else */
    uint64_t connect_timeout_us;
    uint64_t idle_us;        /* connections that nobody uses are closed after it */
    unsigned pool_size;      /* connections of a worker */
    unsigned max_commands;   /* that wait on one connection */
    size_t max_queued_bytes; /* of them */
    size_t max_reply_bytes;
};

struct gw_redis_server {
    struct gw_refs refs;
    struct gw_redis_options options; /* texts live in the arena, with a NUL behind them */
    struct gw_slice tls_key;         /* gw_tls_client_key(); empty: plain */
    struct gw_arena *arena;
};

/* Copies everything; the caller owns one reference. */
struct gw_redis_server *gw_redis_server_new(const struct gw_redis_options *options);
struct gw_redis_server *gw_redis_server_ref(struct gw_redis_server *server);
void gw_redis_server_unref(struct gw_redis_server *server); /* NULL is fine */

/* A connection made for one serves the other. */
bool gw_redis_server_equal(const struct gw_redis_server *a, const struct gw_redis_server *b);
