#include "policy/retry.h"

#define SECOND_US 1000000ull
#define COUNT_BITS 24
#define COUNT_MAX ((1ull << COUNT_BITS) - 1)

const struct gw_retry_rules gw_retry_defaults = {
    .on = GW_RETRY_ON_CONNECT | GW_RETRY_ON_REFUSED | GW_RETRY_ON_RESET | GW_RETRY_ON_STATUS,
    .backoff_base_us = 25000,
    .backoff_max_us = 250000,
    .retry_after_max_us = 5 * SECOND_US,
    .budget_ratio = 0.2,
    .budget_min = 3,
};

uint64_t gw_retry_backoff_us(const struct gw_retry_rules *rules, unsigned nth,
                             struct gw_random *random)
{
    uint64_t most = rules->backoff_max_us, bound = rules->backoff_base_us;

    for (unsigned i = 1; i < nth && bound < most; i++)
        bound *= 2;
    if (bound > most)
        bound = most;
    return bound ? gw_random_below(random, bound + 1) : 0;
}

/* ── the budget ────────────────────────────────────────────────────────────── */

/* A second's number, wrapping at 16 bits, and what it counts, in one word: so both change in one
 * step. A count that is full stays full. */
struct bucket {
    uint16_t number;
    uint64_t requests, retries;
};

static struct bucket unpack(unsigned long long word)
{
    return (struct bucket){ (uint16_t)(word >> 2 * COUNT_BITS), word >> COUNT_BITS & COUNT_MAX,
                            word & COUNT_MAX };
}

static unsigned long long pack(struct bucket bucket)
{
    return (unsigned long long)bucket.number << 2 * COUNT_BITS | bucket.requests << COUNT_BITS |
           bucket.retries;
}

static bool is_within(struct bucket bucket, uint16_t number)
{
    return (uint16_t)(number - bucket.number) < GW_RETRY_BUCKETS;
}

static void count(struct gw_retry_budget *budget, uint64_t now_us, unsigned requests, int retries)
{
    uint64_t second = now_us / SECOND_US;
    atomic_ullong *place = &budget->buckets[second % GW_RETRY_BUCKETS];
    unsigned long long before = atomic_load_explicit(place, memory_order_relaxed), after;

    do {
        struct bucket bucket = unpack(before);
        int16_t age = (int16_t)((uint16_t)second - bucket.number);

        if (age > 0) /* what another worker, whose clock is ahead, began stays */
            bucket = (struct bucket){ .number = (uint16_t)second };
        if (bucket.requests + requests <= COUNT_MAX)
            bucket.requests += requests;
        if (retries > 0 ? bucket.retries < COUNT_MAX : retries < 0 && bucket.retries > 0)
            bucket.retries = (uint64_t)((int64_t)bucket.retries + retries);
        after = pack(bucket);
    } while (!atomic_compare_exchange_weak_explicit(place, &before, after, memory_order_relaxed,
                                                    memory_order_relaxed));
}

void gw_retry_budget_note(struct gw_retry_budget *budget, uint64_t now_us)
{
    count(budget, now_us, 1, 0);
}

struct gw_retry_look gw_retry_budget_look(const struct gw_retry_budget *budget, uint64_t now_us)
{
    struct gw_retry_look look = {
        .refused = atomic_load_explicit(&budget->refused, memory_order_relaxed),
    };

    for (unsigned i = 0; i < GW_RETRY_BUCKETS; i++) {
        struct bucket bucket =
            unpack(atomic_load_explicit(&budget->buckets[i], memory_order_relaxed));

        if (!is_within(bucket, (uint16_t)(now_us / SECOND_US)))
            continue;
        look.requests += bucket.requests;
        look.retries += bucket.retries;
    }
    return look;
}

/* Counted first and looked at then, so that of two who race for the last place neither sees it free
 * because of the other. */
bool gw_retry_budget_take(struct gw_retry_budget *budget, const struct gw_retry_rules *rules,
                          uint64_t now_us)
{
    count(budget, now_us, 0, 1);

    struct gw_retry_look look = gw_retry_budget_look(budget, now_us);

    if (look.retries <= rules->budget_min ||
        (double)look.retries <= rules->budget_ratio * (double)look.requests)
        return true;
    count(budget, now_us, 0, -1);
    atomic_fetch_add_explicit(&budget->refused, 1, memory_order_relaxed);
    return false;
}
