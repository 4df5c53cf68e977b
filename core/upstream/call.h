#pragma once
/* One request to a service: choose a target, take or make a connection, send, wait for the head, try again where that is safe.
 * To its owner a call is simply a stream (http/stream.h): bind events, send_head() starts it, on_head brings the answer, on_end
 * the error. Proxy, fetch and everything else that talks to services uses it. */
#include "config/config.h"
#include "http/stream.h"
#include "net/addr.h"
#include "net/loop.h"
#include "upstream/pool.h"
#include "upstream/registry.h"

struct gw_call_options {
    struct gw_loop *loop;
    struct gw_pool *pool;
    struct gw_arena *arena;            /* response heads live here; outlives the call */
    const struct gw_service *service;  /* timeouts, retries, keepalive; outlives the call. NULL: defaults below */
    struct gw_upstream *upstream;      /* NULL: service->upstream, or `target` */
    struct gw_slice target_host;       /* a target outside the registry (set_target, fetch by url): name or IP */
    uint16_t target_port;
    uint64_t connect_timeout_us, write_timeout_us, read_timeout_us, response_timeout_us; /* 0: the service's */
    int retries;                       /* -1: the service's */
    struct gw_slice correlation_id;    /* for log lines */
};

struct gw_call_info {
    char target[GW_ADDR_TEXT_MAX]; /* "ip:port" of the last attempt; "" before the first */
    unsigned tries;
    uint64_t connect_us;  /* spent until the stream that answered was there; 0 when it was reused */
    uint64_t sent_us;     /* when the request was whole on its way (clock), 0: not yet */
    uint64_t head_us;     /* when the final head came (clock), 0: not yet */
    int status;           /* of the final head */
    uint64_t bytes_in, bytes_out; /* body bytes */
    bool reused;
};

/* Owned by who binds it, until gw_stream_close(). Nothing starts before send_head(). */
struct gw_stream *gw_call_open(const struct gw_call_options *options);

/* Of a stream made by gw_call_open(); borrowed until it is closed. */
const struct gw_call_info *gw_call_info(const struct gw_stream *stream);
