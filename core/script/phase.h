#pragma once
/* Running the hooks of a request: what proxy/ needs of script/. */
#include "http/exchange.h"

struct gw_script;

/* Bits of (1u << enum gw_phase): which phases have at least one hook in the plan of the route;
 * NULL: the global plan. */
unsigned gw_script_phases(const struct gw_script *script, const struct gw_route *route);

enum gw_run_result {
    GW_RUN_DONE,  /* finished; `done` is not called */
    GW_RUN_WAITS, /* a hook waits; `done` is called once, unless cancelled */
};

typedef void (*gw_phase_done)(struct gw_exchange *x);

/* Runs the hooks of the phase in plan order. The outcome stands in the exchange: x->reply when a
 * hook answered, or was made to (an error without on_error: skip is a reply of 500 with
 * GW_E_PLUGIN). The exchange must have a script. */
enum gw_run_result gw_phase_run(struct gw_exchange *x, enum gw_phase phase, gw_phase_done done);

/* Ends a run that waits (all its waits are cancelled, `done` never comes). Nothing when none
 * runs. */
void gw_phase_cancel(struct gw_exchange *x);

/* The exchange is over: its ctx goes back to the pool and every handle to it becomes invalid. Must
 * be called once for every exchange that had a script, before its arena is freed. */
void gw_phase_end(struct gw_exchange *x);
