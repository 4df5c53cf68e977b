#pragma once
/* What the log is told of upstreams that fail: enough to know of it, and never a line a request. */
#include "policy/balance.h"
#include "upstream/registry.h"
#include "upstream/target.h"

#define GW_COMPLAINT_EVERY_US 10000000ull /* of one target; what comes between is counted */

/* A try at a target failed. */
void gw_target_complain(struct gw_upstream *upstream, struct gw_target *target, enum gw_error why,
                        uint64_t now_us);

/* How a target was chosen, of all that there are: a line when panic begins and ends. */
void gw_note_mood(struct gw_upstream *upstream, const struct gw_target_set *set,
                  enum gw_balance_why why);
