#pragma once
/* What happened to targets and breakers, on its way to control: a queue that never waits and holds
 * so many; what finds no room is counted and lost. */
#include "upstream/registry.h"

struct gw_target;

/* Copies what it needs. With or without the registry's lock. */
void gw_health_event_tell(struct gw_upstream *upstream, const struct gw_target *target,
                          const struct gw_health_event *event);

/* Of a service's breaker. */
void gw_breaker_event_tell(struct gw_registry *registry, struct gw_slice service,
                           const struct gw_health_event *event);
