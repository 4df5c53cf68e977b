#pragma once
/* What time it is. Everything that asks goes through a clock, so that a test can turn it.
 * Monotonic microseconds for durations and deadlines; wall time only for logs, headers and
 * calendars. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

struct gw_clock {
    uint64_t now_us; /* monotonic; refreshed once a loop turn, so reading it is free */
    int64_t wall_us; /* since 1970; refreshed with it */
    bool is_virtual; /* moved by gw_clock_advance() only */
};

/* `is_virtual`: starts at one second monotonic, 2026-01-01T00:00:00Z wall time. */
void gw_clock_init(struct gw_clock *clock, bool is_virtual);

/* Asks the system; does nothing on a virtual clock. */
void gw_clock_refresh(struct gw_clock *clock);

/* The same behind something that may have taken long: asks in earnest only when the kernel's tick
 * (a few milliseconds) went by, which costs a tenth. */
void gw_clock_catch_up(struct gw_clock *clock);

/* Virtual clocks only. */
void gw_clock_advance(struct gw_clock *clock, uint64_t by_us);

/* A reading finer than the loop turn, for measuring; on a virtual clock the same as now_us. */
uint64_t gw_clock_precise_us(const struct gw_clock *clock);

/* Microseconds since 1970 as it was when the process first asked, and from then on as the monotonic
 * clock goes: for calendars that must not follow when the system's clock is set. The same for all
 * threads. */
uint64_t gw_clock_steady_us(const struct gw_clock *clock);
