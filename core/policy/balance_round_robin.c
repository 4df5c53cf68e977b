#include "policy/balance.h"

/* Smooth weighted round robin: each pick gives every slot its weight as credit; the richest one is
 * picked and pays the sum. Over as many picks as the weights' sum each slot comes exactly `weight`
 * times, spread as evenly as it can be: 5:1:1 is a a b a c a a. */

static const struct gw_balance_ask nothing;

static bool is_up(const struct gw_balance_slot *slot)
{
    return slot->weight > 0 && !slot->down;
}

static int pick_next(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    int64_t sum = 0;
    int best = -1;

    for (unsigned i = 0; i < balance->count; i++) {
        struct gw_balance_slot *slot = &balance->slots[i];

        if (!is_up(slot) || (ask->tried && ask->tried[i]))
            continue;
        slot->credit += slot->weight;
        sum += slot->weight;
        if (best < 0 || slot->credit > balance->slots[best].credit)
            best = (int)i;
    }
    if (best >= 0)
        balance->slots[best].credit -= sum;
    return best;
}

static uint64_t greatest_divisor(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;

        a = b;
        b = rest;
    }
    return a;
}

static uint64_t weights_up(const struct gw_balance *balance, uint64_t *divisor)
{
    uint64_t sum = 0;

    *divisor = 0;
    for (unsigned i = 0; i < balance->count; i++) {
        if (!is_up(&balance->slots[i]))
            continue;
        sum += balance->slots[i].weight;
        *divisor = greatest_divisor(balance->slots[i].weight, *divisor);
    }
    return sum;
}

/* Begins anew, `salt` picks into the order. Real picks, because only from a state that picks lead
 * to are the shares exact; but at most so many that it costs well below a millisecond. */
static void begin(struct gw_balance *balance)
{
    const uint64_t most_steps = 256 * 1024;
    uint64_t divisor;

    for (unsigned i = 0; i < balance->count; i++)
        balance->slots[i].credit = 0;
    balance->weights_up = weights_up(balance, &divisor);
    if (balance->salt == 0 || balance->weights_up == 0)
        return;
    uint64_t period = balance->weights_up / divisor; /* picks until the order repeats */
    uint64_t most = most_steps / balance->count + 1;

    for (uint64_t left = balance->salt % (period < most ? period : most); left; left--)
        pick_next(balance, &nothing);
}

static void start(struct gw_balance *balance, struct gw_random *random)
{
    balance->salt = random ? gw_random_next(random) : 0;
    begin(balance);
}

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    uint64_t up = 0;

    for (unsigned i = 0; i < balance->count; i++)
        up += is_up(&balance->slots[i]) ? balance->slots[i].weight : 0;
    if (up != balance->weights_up) /* a slot went down or came back: what was owed before is no
                                      measure now */
        begin(balance);
    return pick_next(balance, ask);
}

const struct gw_balance_algorithm gw_balance_round_robin = {
    .name = "round-robin",
    .start = start,
    .pick = pick,
};
