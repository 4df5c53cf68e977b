#pragma once
/* The watchdog: a thread without Lua that looks at what the others run. A run that computes for
 * longer than lua.budget is stopped; one that keeps its thread beyond lua.stuck_limit all the same
 * ends the process. What the loader runs may take lua.load_limit; one that is stuck is named, and
 * ends the process only where nothing serves yet. It measures by looking again and again, so that a
 * run costs no clock. */
#include "script/guard.h"

struct gw_watchdog;

struct gw_watchdog *gw_watchdog_start(void);

/* Joins it; everybody has forgotten it. */
void gw_watchdog_stop(struct gw_watchdog *watchdog);

/* What holds from now on; 0: no bound. From any thread. */
void gw_watchdog_set_limits(struct gw_watchdog *watchdog, uint64_t budget_us, uint64_t stuck_us);

/* Watches the calling thread until it says gw_watchdog_forget(); the guard becomes the thread's. */
void gw_watchdog_watch(struct gw_watchdog *watchdog, struct gw_guard *guard);
void gw_watchdog_forget(struct gw_watchdog *watchdog, struct gw_guard *guard);
