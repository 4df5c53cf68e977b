#pragma once
/* Names to addresses, through c-ares, with the records' TTL (floor 1 s, ceiling 1 h) and the last
 * good answer kept when the server fails. IP literals never get here. Belongs to one loop. */
#include "net/addr.h"
#include "net/loop.h"

#define GW_RESOLVE_MAX 64 /* addresses of one name; what comes beyond is cut */

struct gw_resolve; /* one question in flight */

struct gw_resolved {
    unsigned count; /* 0 with an error */
    uint32_t ttl_ms;
    bool stale;            /* the server failed: this is the last good answer */
    struct gw_addr *addrs; /* borrowed for the call; port as asked */
};

typedef void (*gw_resolve_cb)(void *ctx, const struct gw_resolved *answer, enum gw_error error);

/* A and AAAA, /etc/hosts first. Ends once: through `done` (never before it returned), or silently
 * by cancel. Equal questions in flight share one. */
struct gw_resolve *gw_resolve_start(struct gw_loop *loop, const char *name, uint16_t port,
                                    gw_resolve_cb done, void *ctx);
void gw_resolve_cancel(struct gw_resolve *resolve);

/* For tests and for `dns:` configuration: "ip:port,ip:port" instead of /etc/resolv.conf. False when
 * malformed. */
bool gw_resolver_set_servers(struct gw_loop *loop, const char *servers);

/* Called by gw_loop_free(). */
void gw_resolver_free(struct gw_resolver *resolver);
