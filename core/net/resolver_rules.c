#include "net/resolver_rules.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <inttypes.h>

#define MIN_TTL_US 1000000ull
#define MAX_TTL_US 3600000000ull

void gw_kept_rules_init(struct gw_kept_rules *kept)
{
    *kept = (struct gw_kept_rules){ .min_ttl_us = MIN_TTL_US, .max_ttl_us = MAX_TTL_US };
}

void gw_kept_rules_deinit(struct gw_kept_rules *kept)
{
    gw_free(kept->hosts);
    gw_free(kept->text);
    gw_kept_rules_init(kept);
}

/* All of them in one text; owned by the caller. */
static char *spell(const struct gw_resolver_rules *rules)
{
    const struct gw_dns_servers *servers = &rules->servers;
    struct gw_buf text;

    gw_buf_init(&text, SIZE_MAX);
    gw_buf_printf(&text, "%.*s %s %u %u %u %" PRIu64 " %" PRIu64, GW_SLICE_ARG(servers->list),
                  servers->resolv_conf ? servers->resolv_conf : "", (unsigned)servers->port,
                  servers->timeout_ms, servers->tries, rules->min_ttl_us, rules->max_ttl_us);
    for (unsigned i = 0; i < rules->host_count; i++)
        gw_buf_printf(&text, " %.*s=%.*s", GW_SLICE_ARG(rules->hosts[i].name),
                      GW_SLICE_ARG(rules->hosts[i].address));

    struct gw_slice all = gw_buf_slice(&text);
    char *copy = gw_strndup(all.ptr, all.len);

    gw_buf_deinit(&text);
    return copy;
}

static bool copy_hosts(struct gw_kept_rules *kept, const struct gw_resolver_rules *rules)
{
    kept->hosts = gw_alloc_zero((rules->host_count + 1) * sizeof(*kept->hosts));
    kept->host_count = rules->host_count;
    for (unsigned i = 0; i < rules->host_count; i++) {
        size_t len;

        if (!gw_host_name_normalise(rules->hosts[i].name, kept->hosts[i].name, &len) ||
            !gw_addr_parse_ip(&kept->hosts[i].addr, rules->hosts[i].address, 0))
            return false;
    }
    return true;
}

bool gw_kept_rules_copy(struct gw_kept_rules *kept, const struct gw_resolver_rules *rules)
{
    gw_kept_rules_init(kept);
    if (rules->min_ttl_us)
        kept->min_ttl_us = rules->min_ttl_us;
    if (rules->max_ttl_us)
        kept->max_ttl_us = rules->max_ttl_us;
    kept->text = spell(rules);
    if (copy_hosts(kept, rules))
        return true;
    gw_kept_rules_deinit(kept);
    return false;
}

bool gw_kept_rules_equal(const struct gw_kept_rules *a, const struct gw_kept_rules *b)
{
    return a->text && b->text && strcmp(a->text, b->text) == 0;
}

unsigned gw_kept_rules_find(const struct gw_kept_rules *kept, const char *name,
                            struct gw_addr *addrs)
{
    unsigned count = 0;

    for (unsigned i = 0; i < kept->host_count && count < GW_RESOLVE_MAX; i++)
        if (strcmp(kept->hosts[i].name, name) == 0)
            addrs[count++] = kept->hosts[i].addr;
    return count;
}

uint64_t gw_kept_rules_ttl_us(const struct gw_kept_rules *kept, uint32_t ttl_s)
{
    uint64_t us = (uint64_t)ttl_s * 1000000;

    if (us < kept->min_ttl_us)
        return kept->min_ttl_us;
    return us > kept->max_ttl_us ? kept->max_ttl_us : us;
}
