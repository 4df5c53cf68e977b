#include "policy/balance.h"

/* Peak EWMA: of two candidates by chance the one that costs less, which is how long it takes to
 * answer times how many wait there. A slow answer counts at once; old news fade, so that a target
 * that was slow gets another chance. One that never answered is tried, but not by two at a time. */

static double cost(const struct gw_balance *balance, int index, uint64_t now_us)
{
    const double unknown_us = 1e9;
    const struct gw_vitals *vitals = balance->slots[index].vitals;
    unsigned active = gw_balance_active(balance, index);
    double latency = vitals ? gw_vitals_latency_us(vitals, balance->rules.decay_us, now_us) : 0;

    if (latency == 0)
        return active ? unknown_us + active : 0;
    return latency * (active + 1.0);
}

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    int one = gw_balance_draw(balance, ask, -1, false);
    int two = one < 0 ? -1 : gw_balance_draw(balance, ask, one, true);

    if (two < 0)
        return one;
    return cost(balance, two, ask->now_us) < cost(balance, one, ask->now_us) ? two : one;
}

const struct gw_balance_algorithm gw_balance_latency = {
    .name = "latency",
    .pick = pick,
};
