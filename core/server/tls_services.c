#include "server/tls_services.h"

#include "net/tls_client.h"

#include <stdio.h>

#define FETCH_DEPTH 16 /* as lua/moongate/config/tls_services.lua has it for services */

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

static bool bind_fetches(struct gw_tls_client_set *set, struct gw_config *config, char *why,
                         size_t why_size)
{
    const struct gw_tls_client_options options = {
        .label = GW_SLICE("fetch"),
        .verify = true,
        .depth = FETCH_DEPTH,
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
    good = good && bind_fetches(set, config, why, why_size);
    gw_tls_client_set_free(set);
    return good;
}
