#include "policy/balance.h"

/* By chance, in proportion to the weights. */

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    return gw_balance_draw(balance, ask, -1, false);
}

const struct gw_balance_algorithm gw_balance_random = {
    .name = "random",
    .pick = pick,
};
