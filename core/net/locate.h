#pragma once
/* Where a service is, by its SRV records: the addresses of all hosts they name, each with the port,
 * priority and weight of its record (RFC 2782). Nothing is remembered of it here but what the
 * resolver keeps of the hosts. Belongs to one loop. */
#include "net/addr.h"
#include "net/dns_srv.h"
#include "net/loop.h"

struct gw_locate; /* one question in flight */

struct gw_place {
    struct gw_addr addr; /* with its port */
    uint16_t weight, priority;
    const char *host; /* as the record names it; borrowed for the call */
};

struct gw_located {
    unsigned count; /* 0 with an error */
    uint64_t ttl_us;
    bool
        stale; /* a host's server failed: its last good answer, or (with an error) nothing at all */
    bool gone; /* the server says that there is no such service */
    struct gw_place *places; /* borrowed for the call */
};

typedef void (*gw_locate_cb)(void *ctx, const struct gw_located *answer, enum gw_error error);

/* Ends once: through `done` (never before it returned), or silently by cancel. */
struct gw_locate *gw_locate_start(struct gw_loop *loop, const char *name, gw_locate_cb done,
                                  void *ctx);
void gw_locate_cancel(struct gw_locate *locate);
