#pragma once
/* Active checks, on control's loop: each target of an upstream that is checked has a timer of its
 * own, so that checks never come all at once; never more than so many are under way. */
#include "upstream/registry.h"

struct gw_checks;

struct gw_checks *gw_checks_start(struct gw_registry *registry, struct gw_loop *loop);
void gw_checks_stop(struct gw_checks *checks); /* NULL is fine */

/* Sets or rules changed: begins what is new, ends what is gone, leaves the rest alone. */
void gw_checks_sync(struct gw_checks *checks);
