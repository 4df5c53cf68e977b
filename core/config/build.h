#pragma once
/* How Lua makes a `struct gw_config`: lua/moongate/config/freeze.lua reads this header through FFI,
 * makes the arrays with the functions below and writes plain numbers straight into the structs. On
 * the loader thread only; nobody else sees the configuration before gw_build_take(). Functions that
 * return text return NULL, or what is wrong with the value; the text lives until the next call.
 * Indexes count from 0. */
#include "config/cidr.h" /* gw_cidr_check() */
#include "config/config.h"
#include "config/regex.h" /* gw_regex_check() */

struct gw_build;

/* The caller owns it until gw_build_free(), which also frees the configuration unless it was taken.
 */
struct gw_build *gw_build_new(void);
void gw_build_free(struct gw_build *build); /* NULL is fine */

/* The configuration that is being made; borrowed. */
struct gw_config *gw_build_config(struct gw_build *build);

/* A copy of the text that lives as long as the configuration, for the `ptr` of a slice. */
const char *gw_build_text(struct gw_build *build, const char *text, size_t len);

/* Each makes its array, filled with zeros and with `index` set, and enters it in the configuration.
 * Once for each; routes come before anything is said of them. */
struct gw_listener_config *gw_build_listeners(struct gw_build *build, unsigned count);
/* Filled with zeros, one a route; after gw_build_routes(). */
struct gw_limits *gw_build_listener_limits(struct gw_build *build, unsigned listener);
/* Of one listener, in this order. */
struct gw_tls_config *gw_build_tls(struct gw_build *build, unsigned listener);
struct gw_certificate_config *gw_build_certificates(struct gw_build *build, unsigned listener,
                                                    unsigned count);
struct gw_slice *gw_build_certificate_names(struct gw_build *build,
                                            struct gw_certificate_config *certificate,
                                            unsigned count);
struct gw_clients_config *gw_build_listener_clients(struct gw_build *build, unsigned listener,
                                                    unsigned count);
struct gw_slice *gw_build_clients_names(struct gw_build *build, struct gw_clients_config *clients,
                                        unsigned count);
/* Of a route. */
struct gw_clients_config *gw_build_route_clients(struct gw_build *build, unsigned route);
struct gw_service *gw_build_services(struct gw_build *build, unsigned count);
/* Filled with zeros. */
struct gw_retry_config *gw_build_retry(struct gw_build *build, struct gw_service *service);
struct gw_retry_config *gw_build_route_retry(struct gw_build *build, unsigned route);
struct gw_slice *gw_build_retry_methods(struct gw_build *build, struct gw_retry_config *retry,
                                        unsigned count);
struct gw_service_tls_config *gw_build_service_tls(struct gw_build *build,
                                                   struct gw_service *service);
struct gw_breaker_config *gw_build_breaker(struct gw_build *build, struct gw_service *service);
struct gw_breaker_config *gw_build_route_breaker(struct gw_build *build, unsigned route);
struct gw_route *gw_build_routes(struct gw_build *build, unsigned count);
/* Filled with zeros. */
struct gw_mirror_config *gw_build_mirror(struct gw_build *build, struct gw_route *route);
struct gw_dns_host *gw_build_dns_hosts(struct gw_build *build, unsigned count);
struct gw_expiry *gw_build_expiries(struct gw_build *build, unsigned count);
struct gw_consumer *gw_build_consumers(struct gw_build *build, unsigned count);
struct gw_upstream_config *gw_build_upstreams(struct gw_build *build, unsigned count);
/* Filled with zeros, each once for an upstream. */
struct gw_check_config *gw_build_check(struct gw_build *build, struct gw_upstream_config *upstream,
                                       unsigned field_count);
struct gw_health_config *gw_build_passive(struct gw_build *build,
                                          struct gw_upstream_config *upstream);
struct gw_ejection_config *gw_build_ejection(struct gw_build *build,
                                             struct gw_upstream_config *upstream);
struct gw_target_config *gw_build_targets(struct gw_build *build,
                                          struct gw_upstream_config *upstream, unsigned count);

/* What a route asks for; one that asks for nothing gets no requests. Paths: "/prefix", "=/exact",
 * "~/regex", "/templates/{id}". Values: "~*" begins a regex without regard to case; NULL: the
 * header or argument must only be there. */
const char *gw_build_route_method(struct gw_build *build, unsigned route, const char *text,
                                  size_t len);
const char *gw_build_route_host(struct gw_build *build, unsigned route, const char *text,
                                size_t len);
const char *gw_build_route_sni(struct gw_build *build, unsigned route, const char *text,
                               size_t len);
const char *gw_build_route_http_only(struct gw_build *build, unsigned route);
const char *gw_build_route_path(struct gw_build *build, unsigned route, const char *text,
                                size_t len, bool whole_segments);
const char *gw_build_route_header(struct gw_build *build, unsigned route, const char *name,
                                  size_t name_len, const char *value, size_t value_len);
const char *gw_build_route_argument(struct gw_build *build, unsigned route, const char *name,
                                    size_t name_len, const char *value, size_t value_len);
const char *gw_build_route_cookie(struct gw_build *build, unsigned route, const char *name,
                                  size_t name_len, const char *value, size_t value_len);
/* A network, or "unix:". */
const char *gw_build_route_source(struct gw_build *build, unsigned route, const char *text,
                                  size_t len);
const char *gw_build_route_regex_priority(struct gw_build *build, unsigned route, int priority);

/* Networks, or "unix:" for every unix socket. */
const char *gw_build_trusted_proxy(struct gw_build *build, const char *text, size_t len);
const char *gw_build_proxy_from(struct gw_build *build, unsigned listener, const char *text,
                                size_t len);

/* A group's name, or its number. */
const char *gw_build_listener_group(struct gw_build *build, unsigned listener, const char *text,
                                    size_t len);

/* Puts the routes in order. Once, after everything was said of them. */
void gw_build_router(struct gw_build *build);

/* Routes that no request reaches, after gw_build_router(); false past the last one. */
bool gw_build_shadow(const struct gw_build *build, unsigned at, unsigned *route, unsigned *by);

/* Hands the finished configuration over: one reference, the caller's. */
struct gw_config *gw_build_take(struct gw_build *build);
