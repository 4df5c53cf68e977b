#pragma once
/* One request to a service: choose a target, take or make a connection, send, wait for the head,
 * try again where that is safe. To its owner a call is simply a stream (http/stream.h): bind
 * events, send_head() starts it, on_head brings the answer, on_end the error. Proxy, fetch and
 * everything else that talks to services uses it.
 *
 * One thing is asked beyond the contract of streams: because a head may be sent again, the bytes
 * its slices point to must live as long as the call (in its arena). */
#include "config/config.h"
#include "http/exchange.h"
#include "http/stream.h"
#include "net/addr.h"
#include "net/loop.h"
#include "upstream/pool.h"
#include "upstream/registry.h"

struct gw_balancing;
struct gw_breaker_config;
struct gw_breaker_use;

struct gw_call_options {
    struct gw_loop *loop;
    struct gw_pool *pool;
    struct gw_arena *arena; /* response heads live here; outlives the call */
    const struct gw_service
        *service; /* timeouts, retries, keepalive; outlives the call. NULL: defaults */
    const struct gw_retry_config *retry;  /* the route's, in the place of the service's; outlives
                                             the call; NULL: the service's */
    const struct gw_breaker_use *breaker; /* of the route, beside the service's; outlives the call;
                                             NULL: none */
    const struct gw_limits *limits;       /* outlives the call; NULL: the service's */
    struct gw_upstream *upstream;         /* NULL: service->upstream, or `target` */
    struct gw_slice
        target_host; /* a target outside the registry (set_target, fetch by url): name or IP */
    uint16_t target_port;
    struct gw_tls_client *tls; /* for calls without a service; outlives the call. NULL: plain */
    const struct gw_addr *target_addr; /* its address, where that is known */
    uint64_t connect_timeout_us, write_timeout_us, read_timeout_us,
        response_timeout_us;  /* 0: the service's */
    uint64_t deadline_us;     /* no try begins behind it (clock); 0: none. Ending the call is the
                                 owner's */
    int retries;              /* -1: the service's */
    bool authority_of_target; /* Host becomes the upstream's host_header or the target's own, where
                                 it has one */
    bool fresh_unless_repeatable; /* a request that may not be sent twice gets no reused connection
                                   */
    /* The whole body, when it is in memory; lives as long as the call. Then send_head() is the only
     * thing that is sent (with `end`, and the head's body_length is body.len): the call sends the
     * body itself, again at every try. */
    struct gw_slice body;
    bool has_body;
    struct gw_slice avoid; /* a target that has this request already, as text; empty: none */
    /* Who asks, and where it came in, for services that want to hear it by the PROXY protocol; they
     * live as long as the call. NULL: nobody but us. */
    const struct gw_addr *client, *local;
    struct gw_slice correlation_id; /* for log lines */
    /* The hash of the key that `how` asks for; false: the request has none. Called once, before the
     * first attempt, where the upstream hashes. NULL: there is never one. */
    bool (*hash)(void *ctx, const struct gw_balancing *how, uint64_t *hash);
    void *hash_ctx;
    /* The value of a cookie of the request, for sticky sessions; false: it has none. Called once,
     * with hash_ctx. NULL: there is never one. */
    bool (*cookie)(void *ctx, struct gw_slice name, struct gw_slice *value);
};

enum {
    GW_CALL_TRIES_KEPT = 32,
};

struct gw_call_info {
    char target[GW_ADDR_TEXT_MAX]; /* "ip:port" of the last attempt; "" before the first */
    unsigned tries;
    uint64_t started_us;         /* when the last attempt began (clock) */
    const struct gw_try *failed; /* those before it, the latest first; at most GW_CALL_TRIES_KEPT */
    uint64_t connect_us; /* spent until the stream that answered was there; 0 when it was reused */
    uint64_t sent_us;    /* when the request was whole on its way (clock), 0: not yet */
    uint64_t head_us;    /* when the final head came (clock), 0: not yet */
    int status;          /* of the final head */
    uint64_t retry_after_us;      /* with GW_E_BREAKER_OPEN: when trying again makes sense */
    uint64_t bytes_in, bytes_out; /* body bytes */
    bool reused;
    struct gw_slice set_cookie; /* what the client is to be told, so that it comes back to the
                                   target; empty: nothing */
    const struct gw_breaker_config *refused_by; /* with GW_E_BREAKER_OPEN: the breaker's; lives as
                                                   long as the service */
    bool hedged, hedge_won;                     /* a second target was asked; it answered first */
    bool gave_up;     /* the answer is one that is tried again, and could not be */
    bool over_budget; /* a retry was refused for that */
};

/* Owned by who binds it, until gw_stream_close(). Nothing starts before send_head(). Lives in the
 * options' arena. */
struct gw_stream *gw_call_open(const struct gw_call_options *options);

/* Of a stream made by gw_call_open(); lives in its arena, so it may be read after the close too. */
const struct gw_call_info *gw_call_info(const struct gw_stream *stream);
