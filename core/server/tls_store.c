#include "server/tls_store.h"

#include "base/alloc.h"
#include "net/tls_self.h"
#include "net/tls_server.h"
#include "net/tls_tickets.h"

#include <assert.h>
#include <stdio.h>

struct gw_tls_store {
    struct gw_tls_tickets *tickets;
    struct gw_tls_self *self; /* made at first use */
};

struct gw_tls_store *gw_tls_store_new(void)
{
    struct gw_tls_store *store = gw_alloc_zero(sizeof(*store));

    store->tickets = gw_tls_tickets_new();
    return store;
}

void gw_tls_store_free(struct gw_tls_store *store)
{
    gw_tls_self_free(store->self);
    gw_tls_tickets_free(store->tickets);
    gw_free(store);
}

static struct gw_tls_identity identity_of(const struct gw_certificate_config *certificate)
{
    struct gw_tls_identity identity = {
        .label = certificate->label,
        .pairs = { { certificate->cert, certificate->key },
                   { certificate->cert_alt, certificate->key_alt } },
        .pair_count = certificate->cert_alt.len ? 2 : 1,
        .ocsp = certificate->ocsp,
        .names = certificate->names,
        .name_count = certificate->name_count,
    };
    return identity;
}

static struct gw_tls_clients clients_of(const struct gw_clients_config *config)
{
    return (struct gw_tls_clients){
        .mode = (enum gw_tls_client_mode)config->mode,
        .ca = config->ca,
        .crl = config->crl,
        .depth = config->depth,
        .names = config->names,
        .name_count = config->name_count,
    };
}

static bool make_self(struct gw_tls_store *store, char *why, size_t why_size)
{
    if (!store->self)
        store->self = gw_tls_self_new();
    if (!store->self)
        snprintf(why, why_size, "tls: a development certificate cannot be made");
    return store->self != NULL;
}

static bool bind_listener(struct gw_tls_store *store, struct gw_listener_config *listener,
                          char *why, size_t why_size)
{
    const struct gw_tls_config *tls = listener->tls;
    unsigned count = tls->certificate_count ? tls->certificate_count : 1;
    struct gw_tls_server_options options = {
        .identity_count = count,
        .client_count = tls->clients_count,
        .tls13_only = tls->tls13_only,
        .strict = tls->strict,
        .http2 = listener->http2,
        .tickets = store->tickets,
    };

    if (!tls->certificate_count && !make_self(store, why, why_size))
        return false;
    struct gw_tls_identity *identities = gw_alloc_zero(count * sizeof(identities[0]));

    if (!tls->certificate_count)
        identities[0] = gw_tls_self_identity(store->self);
    for (unsigned i = 0; i < tls->certificate_count; i++)
        identities[i] = identity_of(&tls->certificates[i]);
    struct gw_tls_clients *clients =
        gw_alloc_zero((tls->clients_count + (size_t)1) * sizeof(clients[0]));

    for (unsigned i = 0; i < tls->clients_count; i++)
        clients[i] = clients_of(&tls->clients[i]);
    options.identities = identities;
    options.clients = clients;
    listener->tls_server = gw_tls_server_new(&options, why, why_size);
    gw_free(identities);
    gw_free(clients);
    return listener->tls_server != NULL;
}

bool gw_tls_store_bind(struct gw_tls_store *store, struct gw_config *config, char *why,
                       size_t why_size)
{
    config->release_tls = gw_tls_server_unref;
    for (unsigned i = 0; i < config->route_count; i++) {
        struct gw_route *route = &config->routes[i];

        if (!route->clients)
            continue;
        const struct gw_tls_clients clients = clients_of(route->clients);

        static_assert(GW_TRUST_SIZE == GW_TLS_TRUST_SIZE, "config/ may not look into net/");
        gw_tls_trust(&clients, route->trust);
    }
    for (unsigned i = 0; i < config->listener_count; i++)
        if (config->listeners[i].tls && !bind_listener(store, &config->listeners[i], why, why_size))
            return false;
    return true;
}
