/* ctx.service and ctx.client:authenticate(): where the request goes, and whose it is. */
#include "config/config.h"
#include "script/pdk_common.h"
#include "script/state.h"

int gw_pdk_set_upstream(struct gw_pdk *h, const char *name, size_t len)
{
    struct gw_exchange *x = h->x;
    struct gw_registry *registry = x->script->registry;
    struct gw_upstream *upstream =
        registry ? gw_registry_find(registry, x->config, gw_slice(name, len)) : NULL;

    if (!upstream)
        return GW_PDK_UNKNOWN;
    x->outgoing.upstream = upstream;
    x->outgoing.target_host = GW_SLICE_EMPTY;
    x->outgoing.target_port = 0;
    return GW_PDK_FINE;
}

/* A name of letters, digits, dots, dashes and underscores, or an IP address. */
static bool host_valid(struct gw_slice host)
{
    struct gw_addr addr;

    if (host.len == 0 || host.len > 255)
        return false;
    if (gw_addr_parse_ip(&addr, host, 1))
        return true;
    for (size_t i = 0; i < host.len; i++) {
        char c = gw_lower(host.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_'))
            return false;
    }
    return host.ptr[0] != '.' && host.ptr[0] != '-';
}

int gw_pdk_set_target(struct gw_pdk *h, const char *host, size_t len, int port)
{
    struct gw_exchange *x = h->x;

    if (!host_valid(gw_slice(host, len)))
        return GW_PDK_BAD_VALUE;
    x->outgoing.upstream = NULL;
    x->outgoing.target_host = gw_pdk_keep(h, host, len);
    x->outgoing.target_port = (uint16_t)port;
    return GW_PDK_FINE;
}

int gw_pdk_set_retries(struct gw_pdk *h, int retries)
{
    h->x->outgoing.retries = retries;
    return GW_PDK_FINE;
}

int gw_pdk_set_timeouts(struct gw_pdk *h, double connect_ms, double write_ms, double read_ms)
{
    h->x->outgoing.connect_timeout_us = (uint64_t)(connect_ms * 1000);
    h->x->outgoing.write_timeout_us = (uint64_t)(write_ms * 1000);
    h->x->outgoing.read_timeout_us = (uint64_t)(read_ms * 1000);
    return GW_PDK_FINE;
}

int gw_pdk_set_consumer(struct gw_pdk *h, uint32_t consumer)
{
    const struct gw_config *config = h->x->config;

    if (consumer > config->consumer_count)
        return GW_PDK_UNKNOWN;
    h->x->consumer = consumer ? &config->consumers[consumer - 1] : NULL;
    return GW_PDK_FINE;
}
