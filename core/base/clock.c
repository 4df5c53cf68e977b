#include "base/clock.h"

#include "base/check.h"

#include <stdatomic.h>
#include <time.h>

#define VIRTUAL_START_WALL_US 1767225600000000 /* 2026-01-01T00:00:00Z */
#define VIRTUAL_START_US 1000000

static uint64_t read_us(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void gw_clock_init(struct gw_clock *clock, bool is_virtual)
{
    *clock = (struct gw_clock){
        .now_us = VIRTUAL_START_US,
        .wall_us = VIRTUAL_START_WALL_US,
        .is_virtual = is_virtual,
    };
    gw_clock_refresh(clock);
}

void gw_clock_refresh(struct gw_clock *clock)
{
    if (clock->is_virtual)
        return;
    clock->now_us = read_us(CLOCK_MONOTONIC);
    clock->wall_us = (int64_t)read_us(CLOCK_REALTIME);
}

void gw_clock_catch_up(struct gw_clock *clock)
{
    if (!clock->is_virtual && read_us(CLOCK_MONOTONIC_COARSE) > clock->now_us)
        gw_clock_refresh(clock);
}

void gw_clock_advance(struct gw_clock *clock, uint64_t by_us)
{
    GW_ASSERT(clock->is_virtual);
    clock->now_us += by_us;
    clock->wall_us += (int64_t)by_us;
}

uint64_t gw_clock_precise_us(const struct gw_clock *clock)
{
    return clock->is_virtual ? clock->now_us : read_us(CLOCK_MONOTONIC);
}

/* Wall time less monotonic time, as whoever came first read them; 0: nobody yet. */
static _Atomic int64_t steady_offset_us;

static int64_t find_offset(void)
{
    int64_t none = 0;
    int64_t offset = (int64_t)read_us(CLOCK_REALTIME) - (int64_t)read_us(CLOCK_MONOTONIC);

    if (atomic_compare_exchange_strong(&steady_offset_us, &none, offset))
        return offset;
    return none;
}

uint64_t gw_clock_steady_us(const struct gw_clock *clock)
{
    if (clock->is_virtual)
        return (uint64_t)clock->wall_us;
    int64_t offset = atomic_load_explicit(&steady_offset_us, memory_order_relaxed);

    return clock->now_us + (uint64_t)(offset ? offset : find_offset());
}
