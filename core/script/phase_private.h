#pragma once
/* What phase.c shares with pipe.c. Nobody else includes this. */
#include "script/run.h"
#include "script/state.h"

const char *gw_phase_name(enum gw_phase phase);

/* Enters Lua's runner of the run's phase, at the hook `from` of the plan. What `stage` means is
 * between the runner and who enters it. */
enum gw_outcome gw_phase_enter(struct gw_run *run, uint32_t stage, uint32_t from);

/* The draft as an answer whose body a function of the use's plugin makes (produce.c). */
struct gw_reply *gw_produce(struct gw_exchange *x, const struct gw_reply *draft, uint32_t use);

/* One line: plugin, hook, route, request, why. */
void gw_phase_log_failure(const struct gw_run *run);
