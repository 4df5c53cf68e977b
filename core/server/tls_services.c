#include "server/tls_services.h"

#include "net/tls_client.h"

#include <stdio.h>

#define DEPTH 16 /* as lua/moongate/config/tls_services.lua has it for services */

static bool bind_service(struct gw_tls_client_set *set, struct gw_service *service, char *why,
                         size_t why_size)
{
    const struct gw_service_tls_config *tls = service->tls_config;
    char label[256];
    struct gw_tls_client_options options = {
        .verify = tls->verify,
        .depth = tls->depth,
        .ca = tls->ca,
        .cert = tls->cert,
        .key = tls->key,
        .http2 = service->http2,
    };

    snprintf(label, sizeof(label), "service %.*s", GW_SLICE_ARG(service->name));
    options.label = gw_slice_from(label);
    service->tls = gw_tls_client_set_get(set, &options, why, why_size);
    return service->tls != NULL;
}

/* What traffic to the upstream is sent with: the first service that speaks TLS to it says so. */
static const struct gw_service_tls_config *traffic_of(const struct gw_config *config,
                                                      const struct gw_upstream_config *upstream)
{
    for (unsigned i = 0; i < config->service_count; i++)
        if (config->services[i].tls_config &&
            gw_slice_equal(config->services[i].host, upstream->name))
            return config->services[i].tls_config;
    return NULL;
}

/* A check believes whom traffic believes, and shows what traffic shows. */
static bool bind_check(struct gw_tls_client_set *set, const struct gw_config *config,
                       const struct gw_upstream_config *upstream, char *why, size_t why_size)
{
    const struct gw_service_tls_config *traffic = traffic_of(config, upstream);
    struct gw_check_config *check = upstream->check;
    char label[256];
    struct gw_tls_client_options options = {
        .verify = check->verify >= 0 ? check->verify : !traffic || traffic->verify,
        .depth = traffic ? traffic->depth : DEPTH,
        .http2 = check->http2,
    };

    if (traffic) {
        options.ca = traffic->ca;
        options.cert = traffic->cert;
        options.key = traffic->key;
    }
    if (traffic && !check->name.len)
        check->name = traffic->name;
    snprintf(label, sizeof(label), "upstream %.*s", GW_SLICE_ARG(upstream->name));
    options.label = gw_slice_from(label);
    check->tls_client = gw_tls_client_set_get(set, &options, why, why_size);
    return check->tls_client != NULL;
}

static bool bind_fetches(struct gw_tls_client_set *set, struct gw_config *config, char *why,
                         size_t why_size)
{
    const struct gw_tls_client_options options = {
        .label = GW_SLICE("fetch"),
        .verify = true,
        .depth = DEPTH,
    };

    if (!config->fetches_tls)
        return true;
    config->fetch_tls = gw_tls_client_set_get(set, &options, why, why_size);
    return config->fetch_tls != NULL;
}

bool gw_tls_services_bind(struct gw_config *config, char *why, size_t why_size)
{
    struct gw_tls_client_set *set = gw_tls_client_set_new();
    bool good = true;

    config->release_tls_client = gw_tls_client_unref;
    for (unsigned i = 0; good && i < config->service_count; i++)
        if (config->services[i].tls_config)
            good = bind_service(set, &config->services[i], why, why_size);
    for (unsigned i = 0; good && i < config->upstream_count; i++)
        if (config->upstreams[i].check && config->upstreams[i].check->tls)
            good = bind_check(set, config, &config->upstreams[i], why, why_size);
    good = good && bind_fetches(set, config, why, why_size);
    gw_tls_client_set_free(set);
    return good;
}
