#include "policy/balance.h"

/* Smooth weighted round robin: each pick gives every candidate its weight as credit; the richest
 * one is picked and pays the sum. Over as many picks as the weights' sum each one comes exactly
 * `weight` times, spread as evenly as it can be: 5:1:1 is a a b a c a a. */

static const struct gw_balance_ask nothing;

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    int64_t sum = 0;
    int best = -1;

    for (unsigned i = 0; i < balance->candidate_count; i++) {
        unsigned index = balance->candidates[i];
        struct gw_balance_slot *slot = &balance->slots[index];

        if (ask->tried && ask->tried[index])
            continue;

        int64_t weight = (int64_t)slot->weight * gw_balance_share(balance, index, ask->now_us);

        slot->credit += weight;
        sum += weight;
        if (best < 0 || slot->credit > balance->slots[best].credit)
            best = (int)index;
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

/* Begins anew, because what was owed before is no measure now; at a random place of the order. Real
 * picks, because only from a state that picks lead to are the shares exact; but at most so many
 * that it costs well below a millisecond. */
static void changed(struct gw_balance *balance)
{
    const uint64_t most_steps = 256 * 1024;
    uint64_t divisor = 0;

    for (unsigned i = 0; i < balance->count; i++)
        balance->slots[i].credit = 0;
    for (unsigned i = 0; i < balance->candidate_count; i++)
        divisor = greatest_divisor(balance->slots[balance->candidates[i]].weight, divisor);
    if (!balance->random_start || divisor == 0 || balance->count == 0)
        return;

    uint64_t sum = balance->weights_until[balance->candidate_count - 1];
    uint64_t period = sum / divisor; /* picks until the order repeats */
    uint64_t most = most_steps / balance->count + 1;

    for (uint64_t left = gw_random_below(&balance->random, period < most ? period : most); left;
         left--)
        pick(balance, &nothing);
}

const struct gw_balance_algorithm gw_balance_round_robin = {
    .name = "round-robin",
    .changed = changed,
    .pick = pick,
};
