#include "policy/balance.h"

#include <math.h>

/* The power of two choices: of two candidates by chance the one with less to do, seen over all
 * workers. To ask all of them would be no better: workers that look at the same moment would all
 * run to the same one.
 *
 * Where both have nothing to do the first draw stands. Comparing weights there would give the
 * heavier one everything; so at rest the weights alone decide, and under load the score. */

static double score(const struct gw_balance *balance, int index, uint64_t now_us)
{
    double busy = gw_balance_active(balance, index) + 1.0;
    double weight =
        (double)balance->slots[index].weight * gw_balance_share(balance, (unsigned)index, now_us);

    return weight / (balance->rules.bias == 1 ? busy : pow(busy, balance->rules.bias));
}

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    int one = gw_balance_draw(balance, ask, -1, false);
    int two = one < 0 ? -1 : gw_balance_draw(balance, ask, one, true);

    if (two < 0 || (!gw_balance_active(balance, one) && !gw_balance_active(balance, two)))
        return one;
    return score(balance, two, ask->now_us) > score(balance, one, ask->now_us) ? two : one;
}

const struct gw_balance_algorithm gw_balance_least_connections = {
    .name = "least-connections",
    .pick = pick,
};
