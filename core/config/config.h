#pragma once
/* The configuration of one generation as the hot path sees it: immutable C structs, counted, freed
 * as one. Read and checked in Lua (lua/moongate/config), frozen here through config/build.h on the
 * loader thread; every thread may read it. All text lives in the configuration's arena. */
#include "base/refs.h"
#include "base/slice.h"

struct gw_router;
struct gw_upstream;
struct gw_cidr_set;
struct gw_tls_client;
struct gw_tls_server;

/* 0 means off for times and counts; sizes are bytes. Defaults: decisions.md "limits". */
struct gw_limits {
    size_t head, target;
    unsigned headers;
    int64_t body; /* request body, bytes; 413 */
    size_t buffer;
    size_t write_queue;
    uint64_t head_timeout_us, idle_timeout_us, total_timeout_us;
    uint64_t body_min_rate; /* bytes per second after 10 s */
    unsigned connections, connections_per_client, requests_per_connection, pending;
};

/* Texts are PEM, where nothing else is said. */
struct gw_certificate_config {
    struct gw_slice label; /* for messages */
    struct gw_slice cert, key, cert_alt, key_alt;
    struct gw_slice ocsp;   /* DER */
    struct gw_slice *names; /* "example.com", "*.example.com", "*" */
    unsigned name_count;
};

/* Who must show a certificate, and whose signature counts. */
struct gw_clients_config {
    int mode; /* enum gw_tls_client_mode of net/tls_server.h */
    struct gw_slice ca, crl;
    unsigned depth;
    struct gw_slice *names;
    unsigned name_count;
};

#define GW_TRUST_SIZE 32

struct gw_tls_config {
    struct gw_certificate_config *certificates; /* the first one: for all other names */
    unsigned certificate_count;                 /* 0: one made for development */
    bool tls13_only, strict;
    uint64_t handshake_timeout_us;
    struct gw_clients_config *clients; /* the first one: where no other has the name */
    unsigned clients_count;
};

struct gw_listener_config {
    struct gw_slice address; /* as written: "127.0.0.1:8000" */
    struct gw_limits limits;
    /* By the index of the route: what holds for requests that came in here, where the listener says
     * something that routes and services do not override. NULL: the routes' own. */
    struct gw_limits *route_limits;
    /* Whose connections begin with a PROXY header; owned; NULL: nobody's. */
    struct gw_cidr_set *proxy_from;
    bool http2; /* offered by ALPN; without TLS: clients may begin with its preface */
    /* Of a unix socket's file. */
    unsigned mode;
    int group;                 /* -1: as it is */
    struct gw_tls_config *tls; /* NULL: plain */
    unsigned redirect_https;   /* the status that plain HTTP gets; 0: it is served */
    /* Made of it by who binds TLS, before the configuration is used; released with it. */
    struct gw_tls_server *tls_server;
};

/* What of a request says which target it goes to, of upstreams that hash. */
enum gw_hash_on {
    GW_HASH_NONE,
    GW_HASH_CONSUMER,
    GW_HASH_IP,
    GW_HASH_HEADER,
    GW_HASH_COOKIE, /* made and given to the client where it has none */
    GW_HASH_PATH,
    GW_HASH_QUERY_ARG,
    GW_HASH_URI_CAPTURE,
};

struct gw_hash_source {
    enum gw_hash_on on;
    struct gw_slice name; /* of the header, cookie, argument or capture */
};

struct gw_target_config {
    struct gw_slice host; /* a name, an IP literal, or "unix:/path" */
    uint16_t port;        /* 0 of a unix socket */
    bool services;        /* the name has SRV records, which say host and port */
    unsigned weight;      /* 0: gets nothing */
    unsigned priority;    /* lower ones first: the others are backups */
};

/* What an answer says of a target's health. */
enum gw_verdict {
    GW_VERDICT_NONE,
    GW_VERDICT_GOOD,
    GW_VERDICT_BAD,
};

/* So many reports in a row, 0: they move nothing (policy/health.h). */
struct gw_health_config {
    uint32_t successes, http_failures, tcp_failures, timeouts;
    unsigned char verdicts[1000]; /* enum gw_verdict, by status */
};

enum gw_check_type {
    GW_CHECK_HTTP,
    GW_CHECK_TCP,
    GW_CHECK_GRPC, /* grpc.health.v1 */
};

struct gw_check_field {
    struct gw_slice name, value;
};

/* Active checks of an upstream. */
struct gw_check_config {
    enum gw_check_type type;
    struct gw_health_config counts;
    struct gw_slice path;         /* may carry a query */
    struct gw_slice body;         /* what the answer must contain; empty: anything */
    struct gw_slice grpc_service; /* whose health is asked for; empty: the whole server's */
    bool http2;                   /* spoken, as traffic is */
    unsigned proxy_protocol;      /* in front of it, as in front of traffic; 0: none */
    bool tls;
    int verify;           /* with tls: 1, 0, or -1: as traffic */
    struct gw_slice name; /* whom the certificate must be for; empty: what the target is called */
    struct gw_tls_client *tls_client; /* made like a service's; released with the configuration */
    struct gw_check_field *fields;
    unsigned field_count;
    uint64_t timeout_us;
    uint64_t healthy_interval_us, unhealthy_interval_us; /* 0: such targets are not checked */
    unsigned concurrency;
    bool before_use;
};

/* What each means: policy/ejection.h. */
struct gw_ejection_config {
    uint32_t consecutive_failures, consecutive_gateway_failures;
    double success_rate_deviations;
    uint32_t success_rate_targets, success_rate_requests;
    uint32_t failure_percentage, failure_percentage_targets, failure_percentage_requests;
    uint64_t interval_us, time_us, time_max_us;
    uint32_t max_ejected;
    bool returns_with_checks;
};

/* How much an upstream may have to do at a time, from all workers; 0: no bound. */
struct gw_capacity {
    unsigned max_requests, max_requests_per_target;
    unsigned max_pending; /* requests that wait for a place; 0: none does */
    uint64_t pending_timeout_us;
    bool adaptive; /* a bound is found out, between these two: policy/adaptive.h */
    unsigned adaptive_least, adaptive_most, adaptive_initial;
    double adaptive_tolerance;
    uint64_t adaptive_interval_us, adaptive_probe_every_us;
};

/* Sessions that stay at their target by a cookie; without its name there are none. */
struct gw_sticky_config {
    struct gw_slice cookie;
    struct gw_slice attributes; /* "; Path=/; HttpOnly": what stands behind its value */
    struct gw_slice key;        /* empty: one of the process */
};

struct gw_upstream_config {
    struct gw_slice name;
    struct gw_slice algorithm;     /* "round-robin" */
    struct gw_hash_source hash[2]; /* the second where the first one finds nothing */
    struct gw_slice cookie_path;
    unsigned hash_slots, hash_balance_factor;
    struct gw_slice host_header; /* empty: the target's own */
    uint32_t panic_threshold;    /* percent; with slow start: policy/balance.h */
    bool fail_on_panic;
    uint64_t slow_start_us;
    double slow_start_aggression;
    struct gw_check_config *check;       /* NULL: no active checks */
    struct gw_health_config *passive;    /* NULL: traffic is not looked at */
    struct gw_ejection_config *ejection; /* NULL: none */
    struct gw_capacity capacity;
    struct gw_sticky_config sticky;
    bool use_srv_name; /* the target's own is what its SRV record names */
    struct gw_target_config *targets;
    unsigned target_count;
};

/* What each means: policy/retry.h. */
struct gw_retry_config {
    unsigned on; /* enum gw_retry_on; its bit for statuses is not looked at */
    uint64_t per_try_timeout_us, backoff_base_us, backoff_max_us, retry_after_max_us;
    double budget_ratio;
    uint32_t budget_min;
    size_t replay;            /* bytes of a body that are kept for another try */
    struct gw_slice *methods; /* that may reach the service twice */
    unsigned method_count;
    bool statuses[600]; /* answers that are tried again */
};

/* What each means: policy/breaker.h. */
struct gw_breaker_config {
    uint32_t failure_threshold, minimum_volume, half_open_requests, success_threshold;
    double failure_ratio;
    uint64_t window_us, call_timeout_us, half_open_after_us, half_open_after_max_us;
    uint64_t half_open_timeout_us;
    bool statuses[600]; /* answers that count as failures */
    /* While it is open: another upstream by name, or an answer (status 0: none). */
    struct gw_slice fallback_upstream, fallback_body, fallback_type;
    int fallback_status;
};

struct gw_breaker_use;

/* Texts are PEM, where nothing else is said. */
struct gw_service_tls_config {
    bool verify;
    unsigned depth;            /* certificates between the server's and a trusted one */
    struct gw_slice ca;        /* who is trusted; empty: whom the system trusts */
    struct gw_slice cert, key; /* shown to servers that ask; empty: none */
    struct gw_slice name; /* whom the certificate must be for; empty: what the target is called */
};

/* How a service hears of its client's certificate. */
enum gw_certificate_header {
    GW_CERTIFICATE_HEADER_NONE,
    GW_CERTIFICATE_HEADER_RFC9440,
    GW_CERTIFICATE_HEADER_ENVOY,
};

struct gw_service {
    unsigned index;
    struct gw_slice name, id;
    struct gw_slice scheme; /* "http", "https" */
    struct gw_slice host;   /* an upstream's name, a DNS name, an IP literal, "unix:/path" */
    uint16_t port;
    bool services;             /* the host is a name with SRV records, which say host and port */
    struct gw_slice path;      /* put before the request's; empty or starts with "/" */
    struct gw_slice authority; /* what Host says when preserve_host is off: "host[:port]" */
    unsigned retries;
    struct gw_slice deadline_header; /* tells how long an answer is waited for; empty: none does */
    uint64_t connect_timeout_us, write_timeout_us, read_timeout_us, response_timeout_us;
    /* In the place of read_timeout_us, where the service says so: between two events of an event
     * stream, and while a tunnel (a WebSocket) or a call of gRPC is silent both ways. */
    bool has_event_stream_timeout, has_websocket_timeout, has_grpc_idle_timeout;
    uint64_t event_stream_timeout_us, websocket_timeout_us, grpc_idle_timeout_us;
    unsigned keepalive_connections; /* idle ones kept per worker and target */
    unsigned keepalive_requests;
    uint64_t keepalive_idle_us;
    bool http2; /* is spoken to it: by prior knowledge, or over TLS by ALPN */
    const struct gw_service_tls_config *tls_config; /* NULL: plain */
    /* Made of it by who binds TLS, before the configuration is used; released with it. */
    struct gw_tls_client *tls;
    enum gw_certificate_header certificate_header;
    bool forwarded_header;       /* RFC 7239's Forwarded goes beside X-Forwarded-* */
    unsigned proxy_protocol;     /* version of the header in front of its connections; 0: none */
    struct gw_capacity capacity; /* of an upstream of its own */
    struct gw_limits limits;
    /* The upstream of the service: the configured one of that name, or one made from host:port.
     * Bound by gw_registry_bind() before the configuration is used; counted by the registry,
     * released with the configuration. */
    struct gw_upstream *upstream;
    uint64_t hedge_after_us;                        /* 0: never */
    const struct gw_retry_config *retry;            /* NULL: it has none */
    const struct gw_breaker_config *breaker_config; /* NULL: it has none */
    const struct gw_breaker_use *breaker;           /* bound and released like the upstream */
};

/* Copies of requests for another service. */
struct gw_mirror_config {
    const struct gw_service *service;
    uint32_t share_ppm; /* of the requests, in millionths */
    uint32_t max_concurrent;
    size_t max_body;
    uint64_t timeout_us;
};

/* Of a route's WebSockets: whether their frames are read, and by which rules; sizes are bytes, 0:
 * any. */
struct gw_websocket_config {
    bool on, validate_utf8;
    uint64_t max_frame, max_message;
};

struct gw_route {
    unsigned index;
    struct gw_slice name, id;
    const struct gw_service *service;      /* NULL: a plugin must answer */
    const struct gw_mirror_config *mirror; /* NULL: none */
    bool strip_path, preserve_host;
    const struct gw_retry_config *retry;            /* in the place of the service's; NULL: that */
    const struct gw_breaker_config *breaker_config; /* as of a service */
    const struct gw_breaker_use *breaker;
    bool grpc; /* takes nothing else */
    struct gw_websocket_config websocket;
    unsigned https_status; /* what plain HTTP gets: 426 or a redirect; 0: it is served */
    struct gw_clients_config *clients; /* what its clients must have shown; NULL: nothing */
    /* Of what `clients` trusts; made when TLS is bound. */
    unsigned char trust[GW_TRUST_SIZE];
    struct gw_limits limits;
};

struct gw_consumer {
    unsigned index;
    struct gw_slice username, custom_id, id;
};

/* An address that is known without asking. */
struct gw_dns_host {
    struct gw_slice name, address;
};

struct gw_dns_config {
    struct gw_slice servers; /* "ip:port,ip:port"; empty: resolv.conf's */
    uint64_t timeout_us, min_ttl_us, max_ttl_us;
    unsigned tries;
    /* So many answers in a row that there is nothing, over so long a time, are believed. */
    unsigned empty_answers;
    uint64_t empty_hold_us;
    struct gw_dns_host *hosts;
    unsigned host_count;
};

/* Where quotas outlive the process. */
struct gw_quotas_config {
    struct gw_slice file; /* empty: nowhere */
    uint64_t flush_us;
    size_t size;
};

/* Something that must be replaced before it ends: a certificate, a revocation list. */
struct gw_expiry {
    struct gw_slice kind, name;
    int64_t at; /* seconds since 1970 */
};

struct gw_config {
    struct gw_refs refs;
    uint64_t generation; /* 1, 2, …; assigned at commit */
    struct gw_limits limits;
    struct gw_listener_config *listeners;
    unsigned listener_count;
    struct gw_service *services;
    unsigned service_count;
    struct gw_route *routes;
    unsigned route_count;
    struct gw_expiry *expiries;
    unsigned expiry_count;
    struct gw_upstream_config *upstreams;
    unsigned upstream_count;
    struct gw_consumer *consumers;
    unsigned consumer_count;
    struct gw_dns_config dns;
    struct gw_quotas_config quotas;
    struct gw_router *router;
    struct gw_cidr_set *trusted_proxies;
    bool fetches_tls; /* plugins may fetch https:// URLs */
    unsigned workers; /* 0: auto */
    uint64_t drain_timeout_us;
    uint64_t drain_delay_us; /* before it, while it is not ready any more but takes connections */
    struct gw_slice access_log;     /* "stdout", "off" or a path */
    struct gw_slice error_log;      /* "stderr" or a path */
    int log_level;                  /* enum gw_log_level */
    struct gw_slice admin_address;  /* "unix:…" or "ip:port" */
    struct gw_slice admin_token;    /* empty: none (unix socket) */
    struct gw_slice status_address; /* empty: none */
    uint64_t lua_budget_us, lua_stuck_limit_us, lua_load_limit_us;
    size_t lua_memory, lua_old_generations;
    /* What one plugin may have in one worker; 0: no bound. */
    size_t lua_bodies;                              /* bytes of bodies it had collected */
    uint32_t lua_fetches, lua_tasks, lua_log_lines; /* at once; declared; in a second */
    bool watch;
    struct gw_slice
        plan; /* what scripts need, encoded by lua/moongate/config/freeze.lua (string.buffer) */
    struct gw_slice shown; /* the normalised configuration as JSON without secrets, for /config */
    struct gw_slice warnings; /* JSON array of texts, for /status */
    void (*on_free)(struct gw_config *config,
                    void *ctx); /* releases what others bound; set by who bound it */
    void *on_free_ctx;
    struct gw_tls_client *fetch_tls; /* for URLs that plugins fetch; NULL: none may be */
    void (*release_tls)(struct gw_tls_server *server); /* NULL: nothing was made */
    void (*release_tls_client)(struct gw_tls_client *client);
    void (*on_gone)(void *ctx); /* the last thing that happens, on the thread of the last unref:
                                   counts generations */
    void *on_gone_ctx;
    struct gw_arena *arena;
};

/* Empty, with its arena; the caller owns one reference. Filled through config/build.h. */
struct gw_config *gw_config_new(void);

struct gw_config *gw_config_ref(struct gw_config *config);
void gw_config_unref(struct gw_config *config); /* NULL is fine */

#define GW_ADDR_BYTES_UNIX 1

struct gw_addr_bytes { /* an address without net/: 4 or 16 bytes, network order */
    unsigned char bytes[16];
    unsigned len; /* GW_ADDR_BYTES_UNIX: any unix socket, of which nothing else is known */
};

/* True when the address lies in one of `trusted_proxies`; v4-mapped IPv6 counts as IPv4. */
bool gw_config_trusts(const struct gw_config *config, const struct gw_addr_bytes *addr);
