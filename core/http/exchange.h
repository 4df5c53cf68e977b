#pragma once
/* One request and its response, from accept to log: the one struct that proxy and script share.
 * Owned by proxy/. Everything small in it lives in its arena. */
#include "base/buf.h"
#include "base/list.h"
#include "http/edits.h"
#include "http/reply_stream.h"
#include "http/stream.h"
#include "net/addr.h"
#include "net/loop.h"
#include "net/tls_facts.h"

struct gw_config;
struct gw_consumer;
struct gw_limits;
struct gw_pace;
struct gw_proxy;
struct gw_route;
struct gw_run;
struct gw_script;
struct gw_upstream;
struct gw_exchange;

/* Where a request is on its way (proxy/proxy.c has the table). */
enum gw_step {
    GW_STEP_REWRITE, /* global plugins, before routing */
    GW_STEP_ROUTE,
    GW_STEP_ACCESS,   /* scoped rewrite hooks, then access */
    GW_STEP_CALL,     /* to the service, or a reply stream */
    GW_STEP_HEAD,     /* waits for the response head */
    GW_STEP_RESPONSE, /* response hooks */
    GW_STEP_RESPOND,  /* head and body to the client */
    GW_STEP_FINISH,   /* close streams, release holds */
    GW_STEP_LOG,      /* access log, metrics, log hooks */
    GW_STEP_FREE,
    GW_STEP_COUNT
};

/* The hooks as proxy runs them; ACCESS means the scoped rewrite hooks, then access. */
enum gw_phase {
    GW_PHASE_REWRITE,
    GW_PHASE_ACCESS,
    GW_PHASE_RESPONSE,
    GW_PHASE_LOG,
    GW_PHASE_REQUEST_BODY, /* once for each piece of the request's body */
    GW_PHASE_BODY,         /* the same of the response's */
    GW_PHASE_STREAM,       /* no hook: a function that makes a body (ctx.response:stream) */
    GW_PHASE_COUNT
};

/* Something to be given back when the exchange ends, whatever happens: slots, probes, queue places.
 * Lives in its owner's struct or the arena; release() must not touch the exchange's streams. */
struct gw_hold {
    struct gw_list_node node;
    void (*release)(struct gw_hold *hold);
};

/* Clock readings in microseconds (monotonic); 0: not reached. */
struct gw_times {
    int64_t wall_us; /* start */
    uint64_t start, rewrite_end, access_start, access_end, call_start, head, respond, end;
};

struct gw_counts {
    uint64_t bytes_in, bytes_out; /* body bytes from and to the client */
    unsigned tries;
};

/* A try at a service that failed and was followed by another. Lives in the exchange's arena. */
struct gw_try {
    const struct gw_try *before;
    struct gw_slice target; /* "ip:port" */
    uint64_t started_us;
    enum gw_error error; /* GW_OK: it answered … */
    int status;          /* … so */
};

typedef void (*gw_body_cb)(void *ctx, struct gw_slice body, enum gw_error error);

/* What script asks of proxy. Given at creation. */
struct gw_exchange_ops {
    /* Collects the whole request body (at most `max` bytes, else GW_E_BODY_TOO_LARGE) and keeps it,
     * so that it is replayed to the service. `done` is called once, never before this returned; the
     * slice lives as long as the exchange. A second call gets the same bytes. Sends a 100 when the
     * client waits for one. */
    void (*read_request_body)(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx);
    /* The same for the response's body, in the response phase; GW_E_UPSTREAM_BODY_TOO_LARGE. */
    void (*read_response_body)(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx);
    /* Forgets `done` of either. */
    void (*cancel_read)(struct gw_exchange *x, void *ctx);
    /* Body hooks that waited are through with their piece; `out` is borrowed until Lua runs
     * again. */
    void (*on_piped)(struct gw_exchange *x, enum gw_phase phase, bool failed, struct gw_slice out);
};

struct gw_capture {
    struct gw_slice name, value; /* decoded */
};

struct gw_exchange {
    struct gw_list_node in_worker;
    struct gw_proxy *proxy;
    struct gw_loop *loop;
    const struct gw_exchange_ops *ops;
    struct gw_config *config; /* counted, to the end */
    struct gw_script *script; /* counted, only while a hook of its plan may still run */
    /* What holds for it now: its listener's, later its route's. Lives in the configuration. */
    const struct gw_limits *limits;
    struct gw_arena *arena;
    enum gw_step step;
    struct gw_stream *down, *up; /* client side; call or reply stream. NULL when closed */

    /* The request as the client sent it, but for header edits by plugins, which every later reader
     * sees. */
    struct gw_head request;
    /* What goes to the service where it differs from the request; set by routing, then by
     * plugins. */
    struct {
        enum gw_method method;
        struct gw_slice method_name;
        struct gw_slice path, query;
        bool has_query;
        struct gw_slice authority;
        struct gw_slice body; /* a replaced body; with has_body */
        bool has_body;
        struct gw_upstream *upstream; /* set_upstream(); NULL: the service's */
        struct gw_slice target_host;  /* set_target() */
        uint16_t target_port;
        uint64_t connect_timeout_us, write_timeout_us, read_timeout_us; /* 0: the service's */
        int retries;                                                    /* -1: the service's */
    } outgoing;

    /* the service's head as it came; NULL: none (yet, or a local reply) */
    struct gw_head *received;
    struct gw_head response; /* what will be sent */
    /* What rewrite and access hooks want of its fields: proxy applies them when `response` is
     * filled, before the response hooks, whether it came from a service or is a reply. */
    struct gw_edits response_edits;
    /* set by a hook that answers (exit) or by proxy; taken over by the reply stream */
    struct gw_reply *reply;
    bool response_started; /* the final head went to the client */
    bool grpc;             /* the request is a call of gRPC */
    int grpc_status;       /* how the call ended; GW_GRPC_NONE */
    /* the service's, once they came; NULL: none (yet) */
    struct gw_fields *received_trailers;
    struct gw_fields trailers; /* of plugins: they go with the service's own */

    const struct gw_route *route;
    unsigned capture_count;
    struct gw_capture *captures;
    const struct gw_consumer *consumer; /* NULL: not (yet) authenticated */
    struct gw_slice correlation_id;
    struct gw_addr peer;       /* who connected */
    struct gw_slice client_ip; /* after trusted_proxies */
    bool peer_trusted;
    /* as the client reached the first proxy we trust */
    struct gw_slice forwarded_proto, forwarded_host;
    uint16_t forwarded_port, local_port;
    uint64_t conn_id;
    struct gw_tls_facts *tls; /* of the client's connection, counted; NULL: it speaks none */

    struct gw_run *run;          /* the phase run that waits, or NULL; owned by script/ */
    struct gw_run *body_run[2];  /* the same of request_body and body hooks */
    bool has_after;              /* ctx:after kept work for the log phase */
    int ctx_slot;                /* script/: the Lua ctx of this exchange; -1: none */
    struct gw_list holds;        /* struct gw_hold */
    struct gw_buf request_body;  /* collected by read_request_body() */
    struct gw_buf response_body; /* collected by read_response_body() */
    bool request_body_whole, response_body_whole;
    int64_t body_limit;          /* a hook's own, below limits.body; -1: none */
    struct gw_buf new_body;      /* set_raw_body(): what will be sent in its place */
    bool response_body_replaced; /* … with this */
    struct gw_pace *pace[2];     /* of the request's body and the response's; NULL: none */

    enum gw_error error;
    struct gw_times times;
    struct gw_counts counts;
    struct gw_slice upstream_address;  /* "ip:port" of the last attempt, for the log */
    uint64_t upstream_started_us;      /* when it began (clock) */
    const struct gw_try *failed_tries; /* those before it, the latest first */
    int upstream_status;
};

/* One line for people: id, step, streams, waits. Used by the admin listener, the trace log and
 * failed checks. */
struct gw_slice gw_exchange_describe(const struct gw_exchange *x);

const char *gw_step_name(enum gw_step step);
