#pragma once
/* The wheel behind timer.h: what the loop needs of it. */
#include "net/loop.h"

struct gw_timers;

struct gw_timers *gw_timers_new(struct gw_loop *loop);

/* Timers still running are forgotten; frees itself in the close callback. */
void gw_timers_close(struct gw_timers *timers);

/* The running timer that is due first, or NULL. */
struct gw_timer *gw_timers_first(const struct gw_timers *timers);

/* Virtual clocks: moves time to the first timer due at `until_us` or before and fires it. False
 * when there is none. */
bool gw_timers_fire_next(struct gw_timers *timers, uint64_t until_us);
