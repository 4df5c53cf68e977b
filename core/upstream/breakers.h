#pragma once
/* The circuit breakers of services. Their state is kept by the service's name, so that it survives
 * a reload; the rules come with each configuration. */
#include "policy/breaker.h"
#include "upstream/registry.h"

#ifndef GW_CDEF
#include <stdatomic.h>
#endif

struct gw_service_breaker {
    struct gw_breaker breaker;
    struct gw_registry *registry;
    char *name; /* of the service; owned */
    size_t name_len;
    unsigned users; /* configurations; under the registry's lock */
    atomic_ullong opened, refused;
};

/* What a service has of it. */
struct gw_breaker_use {
    struct gw_service_breaker *state;
    struct gw_breaker_rules rules;
    const bool *statuses; /* failures, by status; the configuration's */
};

/* Those of one configuration. */
struct gw_breaker_uses {
    struct gw_breaker_use *items; /* owned */
    unsigned count;
};

/* With the registry's lock held. Sets service->breaker where one is configured. */
void gw_breakers_bind(struct gw_registry *registry, struct gw_config *config,
                      struct gw_breaker_uses *uses);
void gw_breakers_release(struct gw_registry *registry, struct gw_breaker_uses *uses);
