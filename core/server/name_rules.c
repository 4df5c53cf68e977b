#include "server/name_rules.h"

#include "base/alloc.h"
#include "base/log.h"
#include "net/resolver.h"

void gw_name_rules_use(struct gw_loop *loop, const struct gw_config *config)
{
    const struct gw_dns_config *dns = &config->dns;
    struct gw_known_host *hosts = gw_alloc((dns->host_count + 1) * sizeof(*hosts));
    struct gw_resolver_rules rules = {
        .servers = { .list = dns->servers,
                     .timeout_ms = (unsigned)(dns->timeout_us / 1000),
                     .tries = dns->tries },
        .min_ttl_us = dns->min_ttl_us,
        .max_ttl_us = dns->max_ttl_us,
        .hosts = hosts,
        .host_count = dns->host_count,
    };

    for (unsigned i = 0; i < dns->host_count; i++)
        hosts[i] = (struct gw_known_host){ dns->hosts[i].name, dns->hosts[i].address };
    if (!gw_resolver_set_rules(loop, &rules))
        gw_error("resolver: the servers or hosts of `dns` cannot be used: the old ones stay");
    gw_free(hosts);
}
