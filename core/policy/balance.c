#include "policy/balance.h"

#include "base/check.h"

static const struct gw_balance_algorithm *const algorithms[] = {
#define X(name) &gw_balance_##name,
    GW_BALANCE_ALGORITHMS(X)
#undef X
};

const struct gw_balance_algorithm *gw_balance_find(struct gw_slice name)
{
    if (name.len == 0)
        return algorithms[0];
    for (size_t i = 0; i < GW_ARRAY_LEN(algorithms); i++) {
        if (gw_slice_equal(name, gw_slice_from(algorithms[i]->name)))
            return algorithms[i];
    }
    return NULL;
}

void gw_balance_init(struct gw_balance *balance, const struct gw_balance_algorithm *algorithm,
                     struct gw_balance_slot *slots, unsigned count, struct gw_random *random)
{
    *balance = (struct gw_balance){ .algorithm = algorithm, .slots = slots, .count = count };
    algorithm->start(balance, random);
}

int gw_balance_pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    static const struct gw_balance_ask nothing;
    int picked = balance->algorithm->pick(balance, ask ? ask : &nothing);

    if (picked < 0 && ask && ask->tried)
        picked = balance->algorithm->pick(balance, &nothing);
    return picked;
}
