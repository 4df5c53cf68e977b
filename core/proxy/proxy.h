#pragma once
/* The request's way, from a complete head to the log line. One per worker. */
#include "http/exchange.h"
#include "http/h1.h"
#include "upstream/pool.h"
#include "upstream/registry.h"

struct gw_access_record;
struct gw_metrics;
struct gw_proxy;

struct gw_proxy_options {
    struct gw_loop *loop;
    struct gw_pool *pool;
    struct gw_registry *registry;
    struct gw_metrics *metrics;
    unsigned worker;
    /* One call a request, after its end; fills nothing, keeps nothing. NULL: no access log. */
    void (*on_log)(void *ctx, const struct gw_access_record *record);
    void *ctx;
};

struct gw_proxy *gw_proxy_new(const struct gw_proxy_options *options);
void gw_proxy_free(struct gw_proxy *proxy); /* no exchange may be left */

/* The generation that new requests take. Refs are taken; those of the previous one are dropped. On
 * the worker's thread, between two turns of its loop. */
void gw_proxy_set_current(struct gw_proxy *proxy, struct gw_config *config,
                          struct gw_script *script);

/* For gw_h1_server_new(): `ctx` is the proxy. on_closed is not among them: it belongs to who opened
 * the session, see gw_proxy_on_request and _on_refused. `listener`: the index, in the current
 * generation, of the one the connection came in through; -1: it is none of them. */
void gw_proxy_on_request(struct gw_proxy *proxy, struct gw_stream *down, struct gw_arena *arena,
                         struct gw_head *head, bool end, int listener);
void gw_proxy_on_refused(struct gw_proxy *proxy, struct gw_stream *down, struct gw_arena *arena,
                         struct gw_head *head, enum gw_error why);

/* The line and the count of a connection that was hung up on before anybody read from it. */
void gw_proxy_on_dropped(struct gw_proxy *proxy, const struct gw_addr *peer, enum gw_error why);

/* A TLS handshake with a client ended: it is counted. */
void gw_proxy_on_handshake(struct gw_proxy *proxy, const struct gw_conn *conn,
                           enum gw_tls_failure failure);

/* Whether that address is one of the current generation's trusted_proxies. */
bool gw_proxy_trusts(const struct gw_proxy *proxy, const struct gw_addr *addr);

unsigned
gw_proxy_active(const struct gw_proxy *proxy); /* exchanges not yet freed; from any thread */

/* Ends what is running, each with the error; at the end of the drain. */
void gw_proxy_abort(struct gw_proxy *proxy, enum gw_error why);

/* Ends what still needs the Lua of that generation, each with a line; the rest of its requests goes
 * on. */
void gw_proxy_end_generation(struct gw_proxy *proxy, uint64_t generation);

/* One line an exchange into `out`. */
void gw_proxy_describe(const struct gw_proxy *proxy, struct gw_buf *out);
