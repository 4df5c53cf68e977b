#pragma once
/* What `moongate explain` says of a request that finds its route and is answered without it, or
 * before it: by a listener, by the way it came, by what the route takes. */
#include "config/config.h"
#include "config/router.h"

/* Prints a line for each answer that the request gets in the place of its route's, and for what its
 * client must show. `route`: NULL for none. True when it does not reach its route's plugins. */
bool gw_refusal_print(const struct gw_config *config, const struct gw_route *route,
                      const struct gw_route_query *query);
