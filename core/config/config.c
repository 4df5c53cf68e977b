#include "config/config.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "config/cidr.h"
#include "config/router_build.h"

struct gw_config *gw_config_new(void)
{
    struct gw_config *config = gw_alloc_zero(sizeof(*config));

    gw_refs_init(&config->refs);
    config->arena = gw_arena_new();
    return config;
}

struct gw_config *gw_config_ref(struct gw_config *config)
{
    gw_refs_add(&config->refs);
    return config;
}

void gw_config_unref(struct gw_config *config)
{
    if (!config || !gw_refs_drop(&config->refs))
        return;
    if (config->on_free)
        config->on_free(config, config->on_free_ctx);
    void (*on_gone)(void *ctx) = config->on_gone;
    void *on_gone_ctx = config->on_gone_ctx;

    for (unsigned i = 0; i < config->listener_count; i++) {
        gw_cidr_set_free(config->listeners[i].proxy_from);
        if (config->listeners[i].tls_server)
            config->release_tls(config->listeners[i].tls_server);
    }
    for (unsigned i = 0; i < config->service_count; i++)
        if (config->services[i].tls)
            config->release_tls_client(config->services[i].tls);
    for (unsigned i = 0; i < config->upstream_count; i++)
        if (config->upstreams[i].check && config->upstreams[i].check->tls_client)
            config->release_tls_client(config->upstreams[i].check->tls_client);
    if (config->fetch_tls)
        config->release_tls_client(config->fetch_tls);
    gw_router_free(config->router);
    gw_cidr_set_free(config->trusted_proxies);
    gw_arena_free(config->arena);
    gw_free(config);
    if (on_gone)
        on_gone(on_gone_ctx);
}

bool gw_config_trusts(const struct gw_config *config, const struct gw_addr_bytes *addr)
{
    return gw_cidr_set_has(config->trusted_proxies, addr);
}
