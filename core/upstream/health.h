#pragma once
/* What checks and traffic say of targets, and what becomes of it: a target is taken out or back in,
 * every worker's view of the upstream hears of it, and so do log, metrics and whoever listens. */
#include "base/clock.h"
#include "base/refs.h"
#include "config/config.h"
#include "policy/balance.h"
#include "upstream/registry.h"

struct gw_target;
struct gw_target_set;

/* The rules of one upstream. Immutable, counted: sets and checks under way hold it. */
struct gw_health_plan {
    struct gw_refs refs;
    const struct gw_check_config *check;    /* NULL: no active checks */
    const struct gw_health_config *passive; /* NULL: traffic is not looked at */
    bool ejects;
    struct gw_ejection_rules ejection;
    struct gw_arena *arena; /* owned: what the pointers point to */
};

/* The caller owns one reference. NULL where nothing of it is configured. */
struct gw_health_plan *gw_health_plan_new(const struct gw_upstream_config *config);
struct gw_health_plan *gw_health_plan_ref(struct gw_health_plan *plan); /* NULL is fine */
void gw_health_plan_unref(struct gw_health_plan *plan);                 /* NULL is fine */

/* A request to set->items[index] came to its head (`status`), or failed. On any thread; costs a few
 * atomics, and takes the registry's lock only when a target is ejected. */
void gw_health_learn(struct gw_upstream *upstream, const struct gw_target_set *set, unsigned index,
                     int status, enum gw_error error, const struct gw_clock *clock);

/* A check of the target ended. */
void gw_health_checked(struct gw_upstream *upstream, const struct gw_health_plan *plan,
                       struct gw_target *target, enum gw_health_report report,
                       const struct gw_clock *clock);

/* Looks for targets whose ejection is over and, `rates`, for others whose rates are bad. Returns
 * when the next ejection ends; 0: none does. */
uint64_t gw_health_sweep(struct gw_upstream *upstream, bool rates, const struct gw_clock *clock);

/* Checks of it ended for good: what only they could bring back is back. */
void gw_health_forget(struct gw_upstream *upstream, struct gw_target *target, bool passive,
                      const struct gw_clock *clock);

/* What a report or an error says. */
enum gw_health_report gw_health_report_of(const struct gw_health_config *config, int status,
                                          enum gw_error error);
