#pragma once
/* Names to addresses, through c-ares, with the records' TTL between a floor and a ceiling, and the
 * last good answer kept when the server fails. A server that is slow keeps nobody waiting for long
 * who can have the last answer instead. IP literals never get here. Belongs to one loop. */
#include "net/addr.h"
#include "net/dns.h"
#include "net/loop.h"

#define GW_RESOLVE_MAX 1024 /* records of one answer; what comes beyond is cut */

struct gw_resolve; /* one question in flight */

struct gw_resolved {
    unsigned count; /* 0 with an error */
    uint32_t ttl_ms;
    bool stale;            /* the server failed or is slow: this is the last good answer */
    bool gone;             /* the server says that there is no such name */
    struct gw_addr *addrs; /* borrowed for the call; port as asked */
};

typedef void (*gw_resolve_cb)(void *ctx, const struct gw_resolved *answer, enum gw_error error);

/* A and AAAA, /etc/hosts first. Ends once: through `done` (never before it returned), or silently
 * by cancel. Equal questions in flight share one. */
struct gw_resolve *gw_resolve_start(struct gw_loop *loop, const char *name, uint16_t port,
                                    gw_resolve_cb done, void *ctx);
void gw_resolve_cancel(struct gw_resolve *resolve);

/* The same for who keeps a name up to date: asks also while an answer is remembered, and waits for
 * the server's word however long it takes. */
struct gw_resolve *gw_resolve_refresh(struct gw_loop *loop, const char *name, uint16_t port,
                                      gw_resolve_cb done, void *ctx);

/* A name that needs no server. */
struct gw_known_host {
    struct gw_slice name, address; /* an IP address; a name may have several */
};

struct gw_resolver_rules {
    struct gw_dns_servers servers;
    uint64_t min_ttl_us, max_ttl_us; /* 0: 1 s, 1 h */
    const struct gw_known_host *hosts;
    unsigned host_count;
};

/* From now on; everything is copied. False when malformed: then nothing changes. */
bool gw_resolver_set_rules(struct gw_loop *loop, const struct gw_resolver_rules *rules);

/* "ip:port,ip:port" instead of /etc/resolv.conf, and the defaults of everything else. */
bool gw_resolver_set_servers(struct gw_loop *loop, const char *servers);

/* What asks the servers; made at first use, borrowed. */
struct gw_dns *gw_resolver_dns(struct gw_loop *loop);
uint64_t gw_resolver_ttl_us(struct gw_loop *loop, uint32_t ttl_s); /* by the rules */

/* Called by gw_loop_free(). */
void gw_resolver_free(struct gw_resolver *resolver);
