#pragma once
/* The rules of a resolver as it keeps them: bounds of TTLs, and hosts that need no server. */
#include "net/host_name.h"
#include "net/resolver.h"

struct gw_kept_host {
    char name[GW_HOST_NAME_MAX + 1];
    struct gw_addr addr;
};

struct gw_kept_rules {
    uint64_t min_ttl_us, max_ttl_us;
    struct gw_kept_host *hosts; /* owned */
    unsigned host_count;
    char *text; /* owned: all of them, by which others are known; NULL: the defaults */
};

void gw_kept_rules_init(struct gw_kept_rules *kept);
void gw_kept_rules_deinit(struct gw_kept_rules *kept);

/* Copies rules into `kept`, which is then the caller's to deinit. False when a host is malformed:
 * nothing is to be freed. */
bool gw_kept_rules_copy(struct gw_kept_rules *kept, const struct gw_resolver_rules *rules);
bool gw_kept_rules_equal(const struct gw_kept_rules *a, const struct gw_kept_rules *b);

/* The addresses of a host, at most host_count; returns how many. */
unsigned gw_kept_rules_find(const struct gw_kept_rules *kept, const char *name,
                            struct gw_addr *addrs);

uint64_t gw_kept_rules_ttl_us(const struct gw_kept_rules *kept, uint32_t ttl_s);
