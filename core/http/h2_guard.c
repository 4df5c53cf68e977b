#include "http/h2_guard.h"

/* How many may come at once, and how many a second for good. A browser resets what it does not need
 * any more, but not a hundred streams in a second for long. */
static const struct {
    uint64_t burst, interval_us;
} allowed[GW_H2_NUISANCES] = {
    [GW_H2_RESET] = { 200, 50000 },   /* 20 a second */
    [GW_H2_FAULT] = { 100, 100000 },  /* 10 a second */
    [GW_H2_CONTROL] = { 200, 50000 }, /* 20 a second */
    [GW_H2_EMPTY] = { 2000, 1000 },   /* 1000 a second */
};

bool gw_h2_guard_note(struct gw_h2_guard *guard, enum gw_h2_nuisance kind, uint64_t now_us)
{
    uint64_t *full_us = &guard->full_us[kind];

    if (*full_us < now_us)
        *full_us = now_us;
    *full_us += allowed[kind].interval_us;
    return *full_us - now_us <= allowed[kind].burst * allowed[kind].interval_us;
}

void gw_h2_guard_forgive(struct gw_h2_guard *guard, enum gw_h2_nuisance kind, unsigned count)
{
    uint64_t gift_us = count * allowed[kind].interval_us;

    guard->full_us[kind] = guard->full_us[kind] > gift_us ? guard->full_us[kind] - gift_us : 0;
}
