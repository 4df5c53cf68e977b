#include "config/build.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/check.h"
#include "config/router_build.h"

#include <grp.h>

struct gw_build {
    struct gw_config *config;       /* NULL once taken */
    struct gw_router_build *router; /* NULL before gw_build_routes() */
};

struct gw_build *gw_build_new(void)
{
    struct gw_build *build = gw_alloc_zero(sizeof(*build));

    build->config = gw_config_new();
    build->config->trusted_proxies = gw_cidr_set_new();
    return build;
}

void gw_build_free(struct gw_build *build)
{
    if (!build)
        return;
    gw_router_build_free(build->router);
    gw_config_unref(build->config);
    gw_free(build);
}

struct gw_config *gw_build_config(struct gw_build *build)
{
    return build->config;
}

const char *gw_build_text(struct gw_build *build, const char *text, size_t len)
{
    return gw_arena_copy(build->config->arena, gw_slice(text, len)).ptr;
}

/* --- Arrays --- */

static void *new_array(struct gw_build *build, unsigned count, size_t item)
{
    return gw_arena_alloc_zero(build->config->arena, (count + (size_t)1) * item);
}

struct gw_listener_config *gw_build_listeners(struct gw_build *build, unsigned count)
{
    build->config->listeners = new_array(build, count, sizeof(struct gw_listener_config));
    build->config->listener_count = count;
    for (unsigned i = 0; i < count; i++)
        build->config->listeners[i].group = -1;
    return build->config->listeners;
}

struct gw_tls_config *gw_build_tls(struct gw_build *build, unsigned listener)
{
    struct gw_listener_config *config = &build->config->listeners[listener];

    config->tls = new_array(build, 1, sizeof(struct gw_tls_config));
    return config->tls;
}

struct gw_certificate_config *gw_build_certificates(struct gw_build *build, unsigned listener,
                                                    unsigned count)
{
    struct gw_tls_config *tls = build->config->listeners[listener].tls;

    tls->certificates = new_array(build, count, sizeof(struct gw_certificate_config));
    tls->certificate_count = count;
    return tls->certificates;
}

struct gw_slice *gw_build_certificate_names(struct gw_build *build,
                                            struct gw_certificate_config *certificate,
                                            unsigned count)
{
    certificate->names = new_array(build, count, sizeof(struct gw_slice));
    certificate->name_count = count;
    return certificate->names;
}

struct gw_clients_config *gw_build_listener_clients(struct gw_build *build, unsigned listener,
                                                    unsigned count)
{
    struct gw_tls_config *tls = build->config->listeners[listener].tls;

    tls->clients = new_array(build, count, sizeof(struct gw_clients_config));
    tls->clients_count = count;
    return tls->clients;
}

struct gw_slice *gw_build_clients_names(struct gw_build *build, struct gw_clients_config *clients,
                                        unsigned count)
{
    clients->names = new_array(build, count, sizeof(struct gw_slice));
    clients->name_count = count;
    return clients->names;
}

struct gw_clients_config *gw_build_route_clients(struct gw_build *build, unsigned route)
{
    struct gw_route *config = &build->config->routes[route];

    config->clients = new_array(build, 1, sizeof(struct gw_clients_config));
    return config->clients;
}

struct gw_limits *gw_build_listener_limits(struct gw_build *build, unsigned listener)
{
    struct gw_listener_config *config = &build->config->listeners[listener];

    config->route_limits = new_array(build, build->config->route_count, sizeof(struct gw_limits));
    return config->route_limits;
}

struct gw_service *gw_build_services(struct gw_build *build, unsigned count)
{
    build->config->services = new_array(build, count, sizeof(struct gw_service));
    build->config->service_count = count;
    for (unsigned i = 0; i < count; i++)
        build->config->services[i].index = i;
    return build->config->services;
}

struct gw_route *gw_build_routes(struct gw_build *build, unsigned count)
{
    struct gw_config *config = build->config;

    GW_ASSERT(!build->router);
    config->routes = new_array(build, count, sizeof(struct gw_route));
    config->route_count = count;
    for (unsigned i = 0; i < count; i++)
        config->routes[i].index = i;
    build->router = gw_router_build_new(config->arena, config->routes, count);
    return config->routes;
}

struct gw_mirror_config *gw_build_mirror(struct gw_build *build, struct gw_route *route)
{
    struct gw_mirror_config *mirror = new_array(build, 1, sizeof(*mirror));

    route->mirror = mirror;
    return mirror;
}

struct gw_dns_host *gw_build_dns_hosts(struct gw_build *build, unsigned count)
{
    build->config->dns.hosts = new_array(build, count, sizeof(struct gw_dns_host));
    build->config->dns.host_count = count;
    return build->config->dns.hosts;
}

struct gw_expiry *gw_build_expiries(struct gw_build *build, unsigned count)
{
    build->config->expiries = new_array(build, count, sizeof(struct gw_expiry));
    build->config->expiry_count = count;
    return build->config->expiries;
}

struct gw_consumer *gw_build_consumers(struct gw_build *build, unsigned count)
{
    build->config->consumers = new_array(build, count, sizeof(struct gw_consumer));
    build->config->consumer_count = count;
    for (unsigned i = 0; i < count; i++)
        build->config->consumers[i].index = i;
    return build->config->consumers;
}

struct gw_retry_config *gw_build_retry(struct gw_build *build, struct gw_service *service)
{
    struct gw_retry_config *retry = new_array(build, 1, sizeof(*retry));

    service->retry = retry;
    return retry;
}

struct gw_retry_config *gw_build_route_retry(struct gw_build *build, unsigned route)
{
    struct gw_retry_config *retry = new_array(build, 1, sizeof(*retry));

    build->config->routes[route].retry = retry;
    return retry;
}

struct gw_slice *gw_build_retry_methods(struct gw_build *build, struct gw_retry_config *retry,
                                        unsigned count)
{
    retry->methods = new_array(build, count, sizeof(*retry->methods));
    retry->method_count = count;
    return retry->methods;
}

struct gw_service_tls_config *gw_build_service_tls(struct gw_build *build,
                                                   struct gw_service *service)
{
    struct gw_service_tls_config *tls = new_array(build, 1, sizeof(*tls));

    service->tls_config = tls;
    return tls;
}

struct gw_breaker_config *gw_build_breaker(struct gw_build *build, struct gw_service *service)
{
    struct gw_breaker_config *breaker = new_array(build, 1, sizeof(*breaker));

    service->breaker_config = breaker;
    return breaker;
}

struct gw_breaker_config *gw_build_route_breaker(struct gw_build *build, unsigned route)
{
    struct gw_breaker_config *breaker = new_array(build, 1, sizeof(*breaker));

    build->config->routes[route].breaker_config = breaker;
    return breaker;
}

struct gw_upstream_config *gw_build_upstreams(struct gw_build *build, unsigned count)
{
    build->config->upstreams = new_array(build, count, sizeof(struct gw_upstream_config));
    build->config->upstream_count = count;
    return build->config->upstreams;
}

struct gw_check_config *gw_build_check(struct gw_build *build, struct gw_upstream_config *upstream,
                                       unsigned field_count)
{
    upstream->check = new_array(build, 1, sizeof(struct gw_check_config));
    upstream->check->fields = new_array(build, field_count, sizeof(struct gw_check_field));
    upstream->check->field_count = field_count;
    return upstream->check;
}

struct gw_health_config *gw_build_passive(struct gw_build *build,
                                          struct gw_upstream_config *upstream)
{
    upstream->passive = new_array(build, 1, sizeof(struct gw_health_config));
    return upstream->passive;
}

struct gw_ejection_config *gw_build_ejection(struct gw_build *build,
                                             struct gw_upstream_config *upstream)
{
    upstream->ejection = new_array(build, 1, sizeof(struct gw_ejection_config));
    return upstream->ejection;
}

struct gw_target_config *gw_build_targets(struct gw_build *build,
                                          struct gw_upstream_config *upstream, unsigned count)
{
    upstream->targets = new_array(build, count, sizeof(struct gw_target_config));
    upstream->target_count = count;
    return upstream->targets;
}

/* --- Routes --- */

const char *gw_build_route_method(struct gw_build *build, unsigned route, const char *text,
                                  size_t len)
{
    return gw_router_build_method(build->router, route, gw_slice(text, len));
}

const char *gw_build_route_host(struct gw_build *build, unsigned route, const char *text,
                                size_t len)
{
    return gw_router_build_host(build->router, route, gw_slice(text, len));
}

const char *gw_build_route_sni(struct gw_build *build, unsigned route, const char *text, size_t len)
{
    return gw_router_build_sni(build->router, route, gw_slice(text, len));
}

const char *gw_build_route_http_only(struct gw_build *build, unsigned route)
{
    return gw_router_build_http_only(build->router, route);
}

const char *gw_build_route_path(struct gw_build *build, unsigned route, const char *text,
                                size_t len, bool whole_segments)
{
    return gw_router_build_path(build->router, route, gw_slice(text, len), whole_segments);
}

const char *gw_build_route_header(struct gw_build *build, unsigned route, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    return gw_router_build_header(build->router, route, gw_slice(name, name_len),
                                  gw_slice(value, value_len));
}

const char *gw_build_route_argument(struct gw_build *build, unsigned route, const char *name,
                                    size_t name_len, const char *value, size_t value_len)
{
    return gw_router_build_argument(build->router, route, gw_slice(name, name_len),
                                    gw_slice(value, value_len));
}

const char *gw_build_route_cookie(struct gw_build *build, unsigned route, const char *name,
                                  size_t name_len, const char *value, size_t value_len)
{
    return gw_router_build_cookie(build->router, route, gw_slice(name, name_len),
                                  gw_slice(value, value_len));
}

const char *gw_build_route_source(struct gw_build *build, unsigned route, const char *text,
                                  size_t len)
{
    return gw_router_build_source(build->router, route, gw_slice(text, len));
}

const char *gw_build_route_regex_priority(struct gw_build *build, unsigned route, int priority)
{
    return gw_router_build_regex_priority(build->router, route, priority);
}

static const char *add_peers(struct gw_cidr_set *set, const char *text, size_t len)
{
    if (!gw_slice_equal(gw_slice(text, len), GW_SLICE("unix:")))
        return gw_cidr_set_add(set, text, len);
    gw_cidr_set_add_unix(set);
    return NULL;
}

const char *gw_build_trusted_proxy(struct gw_build *build, const char *text, size_t len)
{
    return add_peers(build->config->trusted_proxies, text, len);
}

const char *gw_build_proxy_from(struct gw_build *build, unsigned listener, const char *text,
                                size_t len)
{
    struct gw_cidr_set **from = &build->config->listeners[listener].proxy_from;

    if (!*from)
        *from = gw_cidr_set_new();
    return add_peers(*from, text, len);
}

const char *gw_build_listener_group(struct gw_build *build, unsigned listener, const char *text,
                                    size_t len)
{
    struct gw_slice name = gw_arena_copy(build->config->arena, gw_slice(text, len));
    char space[4096];
    struct group group, *found = NULL;
    int64_t number;

    if (gw_slice_to_int64(name, &number) && number <= INT32_MAX) {
        build->config->listeners[listener].group = (int)number;
        return NULL;
    }
    if (getgrnam_r(name.ptr, &group, space, sizeof(space), &found) != 0 || !found)
        return "there is no such group";
    build->config->listeners[listener].group = (int)found->gr_gid;
    return NULL;
}

void gw_build_router(struct gw_build *build)
{
    if (!build->router)
        gw_build_routes(build, 0);
    build->config->router = gw_router_build_take(build->router);
    gw_cidr_set_seal(build->config->trusted_proxies);
    for (unsigned i = 0; i < build->config->listener_count; i++)
        if (build->config->listeners[i].proxy_from)
            gw_cidr_set_seal(build->config->listeners[i].proxy_from);
}

bool gw_build_shadow(const struct gw_build *build, unsigned at, unsigned *route, unsigned *by)
{
    const struct gw_router_shadow *shadows;

    if (!build->router || at >= gw_router_build_shadows(build->router, &shadows))
        return false;
    *route = shadows[at].route;
    *by = shadows[at].by;
    return true;
}

struct gw_config *gw_build_take(struct gw_build *build)
{
    struct gw_config *config = build->config;

    GW_ASSERT(config && config->router);
    build->config = NULL;
    return config;
}
