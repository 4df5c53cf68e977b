#include "cli/refusal.h"

#include "base/error.h"
#include "http/grpc.h"
#include "net/tls_names.h"
#include "net/tls_server.h"

#include <stdio.h>

static void print_answer(enum gw_error error, struct gw_slice where, const char *way_out)
{
    const struct gw_error_info *info = gw_error_info(error);

    printf("answer     %d %s%s%.*s: %s%s\n", info->status, info->reason, where.len ? " on " : "",
           GW_SLICE_ARG(where), info->text, way_out);
}

static void print_redirect(unsigned status, struct gw_slice where,
                           const struct gw_route_query *query)
{
    printf("answer     %u%s%.*s: to https://%.*s%.*s\n", status, where.len ? " on " : "",
           GW_SLICE_ARG(where), GW_SLICE_ARG(query->host.len ? query->host : GW_SLICE("HOST")),
           GW_SLICE_ARG(query->path));
}

/* ── listeners ─────────────────────────────────────────────────────────────── */

static const struct gw_clients_config *
clients_of(const struct gw_tls_names *names, const struct gw_tls_config *tls, struct gw_slice name)
{
    char text[GW_TLS_NAME_MAX];
    const struct gw_clients_config *found =
        gw_tls_names_find_deep(names, gw_tls_name_tidy(name, text));

    return found ? found : &tls->clients[0];
}

static bool same(const struct gw_clients_config *one, const struct gw_clients_config *other)
{
    return one == other ||
           (one->mode == other->mode && one->depth == other->depth &&
            gw_slice_equal(one->ca, other->ca) && gw_slice_equal(one->crl, other->crl));
}

/* A connection that was made for one name may not ask for a host of which more is asked. */
static bool is_misdirected(const struct gw_tls_config *tls, const struct gw_route_query *query)
{
    struct gw_tls_names names;

    if (tls->clients_count < 2)
        return false;
    gw_tls_names_init(&names);
    for (unsigned i = 1; i < tls->clients_count; i++)
        for (unsigned at = 0; at < tls->clients[i].name_count; at++)
            gw_tls_names_enter(&names, tls->clients[i].names[at], &tls->clients[i]);

    bool wrong = !same(clients_of(&names, tls, query->sni), clients_of(&names, tls, query->host));

    gw_tls_names_deinit(&names);
    return wrong;
}

/* True when no listener lets it in. */
static bool print_listeners(const struct gw_config *config, const struct gw_route_query *query)
{
    unsigned fit = 0, refused = 0;

    for (unsigned i = 0; i < config->listener_count; i++) {
        const struct gw_listener_config *listener = &config->listeners[i];

        if (query->tls != (listener->tls != NULL))
            continue;
        fit++;
        if (!query->https && listener->redirect_https) {
            print_redirect(listener->redirect_https, listener->address, query);
            refused++;
        } else if (query->tls && is_misdirected(listener->tls, query)) {
            print_answer(GW_E_MISDIRECTED, listener->address,
                         " (its TLS asked for another name, under which other certificates count)");
            refused++;
        }
    }
    return fit && fit == refused;
}

/* ── routes ────────────────────────────────────────────────────────────────── */

static bool is_call(const struct gw_route_query *query)
{
    if (!gw_slice_equal(query->method, GW_SLICE("POST")))
        return false;
    for (unsigned i = 0; i < query->header_count; i++)
        if (gw_slice_equal(query->headers[i].name, GW_SLICE("content-type")))
            return gw_grpc_is_type(query->headers[i].value);
    return false;
}

static bool print_route(const struct gw_route *route, const struct gw_route_query *query)
{
    if (route->grpc && !is_call(query)) {
        print_answer(GW_E_NOT_GRPC, GW_SLICE_EMPTY,
                     " (a call is a POST over HTTP/2 with -H 'Content-Type: application/grpc')");
        return true;
    }
    if (route->https_status && !query->https) {
        if (route->https_status == 426)
            print_answer(GW_E_HTTPS_ONLY, GW_SLICE_EMPTY, " (ask for https://…)");
        else
            print_redirect(route->https_status, GW_SLICE_EMPTY, query);
        return true;
    }
    return false;
}

/* Nobody knows here what the client shows. */
static void print_clients(const struct gw_route *route, const struct gw_route_query *query)
{
    if (!route->clients)
        return;
    if (!query->tls && route->clients->mode != GW_TLS_CLIENT_OPTIONAL)
        print_answer(GW_E_CLIENT_CERTIFICATE, GW_SLICE_EMPTY, " (over TLS alone)");
    else
        printf("client     %s\n", route->clients->mode == GW_TLS_CLIENT_OPTIONAL
                                      ? "may show a certificate; 403 for one that is not accepted"
                                      : "must show a certificate that is accepted; else 403");
}

bool gw_refusal_print(const struct gw_config *config, const struct gw_route *route,
                      const struct gw_route_query *query)
{
    bool refused = print_listeners(config, query);

    if (!route || refused)
        return refused;
    refused = print_route(route, query);
    if (!refused)
        print_clients(route, query);
    return refused ||
           (route->clients && !query->tls && route->clients->mode != GW_TLS_CLIENT_OPTIONAL);
}
