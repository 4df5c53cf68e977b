#pragma once
/* The circuit breakers of services and routes. Their state is kept by the name of those, so that it
 * survives a reload; the rules come with each configuration. */
#include "base/map.h"
#include "policy/breaker.h"
#include "upstream/registry.h"

#ifndef GW_CDEF
#include <stdatomic.h>
#endif

struct gw_service_breaker {
    struct gw_breaker breaker;
    struct gw_registry *registry;
    char *key; /* "service" or "route", a space, the name; owned */
    size_t key_len;
    struct gw_slice name; /* in the key */
    bool of_route;
    unsigned users; /* configurations; under the registry's lock */
    atomic_ullong opened, refused;
};

/* What a service or a route has of it. */
struct gw_breaker_use {
    struct gw_service_breaker *state;
    struct gw_breaker_rules rules;
    const struct gw_breaker_config *config;
    struct gw_upstream *fallback; /* where calls go while it is open; NULL: nowhere */
};

/* Those of one configuration. */
struct gw_breaker_uses {
    struct gw_breaker_use *items; /* owned */
    unsigned count;
};

/* With the registry's lock held. Sets `breaker` of services and routes where one is configured.
 * `upstreams`: by name. */
void gw_breakers_bind(struct gw_registry *registry, struct gw_config *config,
                      const struct gw_map *upstreams, struct gw_breaker_uses *uses);
void gw_breakers_release(struct gw_registry *registry, struct gw_breaker_uses *uses);
