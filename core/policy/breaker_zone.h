#pragma once
/* A circuit breaker that a plugin guards its own calls with, as a zone: found by name, shared by
 * all workers, kept over reloads. The rules come with each who asks. */
#include "policy/breaker.h"
#include "policy/zone.h"

extern const struct gw_zone_kind gw_breaker_kind; /* "breaker"; its options are not looked at */

struct gw_breaker *gw_breaker_of_zone(struct gw_zone *zone);
