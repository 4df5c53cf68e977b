#pragma once
/* Connections to services that speak HTTP/2, of one worker: all requests to an address share one,
 * or few.
 *
 * A *trunk* holds the connections of one key: an address, and over TLS what was verified. Requests
 * that find no free stream wait in line: for the connection that is being made, or for a stream
 * that ends; only when all connections are full another one is made, one at a time.
 * Who wants a tunnel waits for the server's settings, too, and keeps nobody else waiting by it. */
#include "base/gauge.h"
#include "base/list.h"
#include "base/map.h"
#include "http/stream.h"
#include "net/loop.h"
#include "net/relief.h"

struct gw_addr;
struct gw_limits;
struct gw_service;
struct gw_tls_client;
struct gw_tls_sessions;
struct gw_trunk;

struct gw_trunks {
    struct gw_loop *loop;
    struct gw_map by_key;    /* struct gw_trunk */
    struct gw_list sessions; /* all connections */
    struct gw_timer sweep;
    struct gw_relief_giver giver; /* of idle ones */
    struct gw_gauge idle;
    bool draining;
};

void gw_trunks_init(struct gw_trunks *trunks, struct gw_loop *loop);

/* Closes every connection; nobody may wait any more. */
void gw_trunks_deinit(struct gw_trunks *trunks);

/* Closes what is idle, now, and what becomes idle from now on. */
void gw_trunks_drain(struct gw_trunks *trunks);

/* What a stream is wanted for. All of it outlives the stream. */
struct gw_trunk_want {
    const struct gw_addr *addr;
    struct gw_slice key;       /* the address as text; over TLS gw_tls_client_key() */
    struct gw_tls_client *tls; /* NULL: plain */
    struct gw_slice name;      /* of the server, for TLS */
    struct gw_tls_sessions *sessions;
    const struct gw_service *service;
    const struct gw_limits *limits;
    struct gw_arena *arena; /* response heads live here */
    uint64_t timeout_us;    /* until there is a stream; 0: for ever */
    bool tunnel;            /* for a WebSocket: only where the server allows it (RFC 8441) */
};

/* The server has said that it takes no tunnels, and one is wanted. */
bool gw_trunks_refuse(struct gw_trunks *trunks, const struct gw_trunk_want *want);

/* A stream on a connection that has room, or NULL. */
struct gw_stream *gw_trunks_open(struct gw_trunks *trunks, const struct gw_trunk_want *want);

typedef void (*gw_trunk_cb)(void *ctx, struct gw_stream *stream, enum gw_error error);

/* One in the line. Lives in the want's arena. */
struct gw_trunk_wait {
    struct gw_list_node node;
    struct gw_trunk *trunk;
    struct gw_trunk_want want;
    struct gw_timer timeout;
    gw_trunk_cb done;
    void *ctx;
};

/* Gets in line. Ends once: through `done`, never before this returned, or by cancel. */
struct gw_trunk_wait *gw_trunks_wait(struct gw_trunks *trunks, const struct gw_trunk_want *want,
                                     gw_trunk_cb done, void *ctx);
void gw_trunk_wait_cancel(struct gw_trunk_wait *wait);
