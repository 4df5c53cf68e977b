/* Threads that all take from one budget of retries. */
#include "base/check.h"
#include "policy/retry.h"

#include <pthread.h>

#define THREADS 8

struct taker {
    struct gw_retry_budget *budget;
    const struct gw_retry_rules *rules;
    pthread_barrier_t *begin;
    unsigned times, taken;
    uint64_t now_us;
    pthread_t thread;
};

unsigned gw_spec_retry_race(struct gw_retry_budget *budget, const struct gw_retry_rules *rules,
                            unsigned times, uint64_t now_us);

static void *take(void *arg)
{
    struct taker *taker = arg;

    pthread_barrier_wait(taker->begin);
    for (unsigned i = 0; i < taker->times; i++)
        taker->taken += gw_retry_budget_take(taker->budget, taker->rules, taker->now_us);
    return NULL;
}

/* Returns how many they got. */
unsigned gw_spec_retry_race(struct gw_retry_budget *budget, const struct gw_retry_rules *rules,
                            unsigned times, uint64_t now_us)
{
    struct taker takers[THREADS];
    pthread_barrier_t begin;
    unsigned taken = 0;

    pthread_barrier_init(&begin, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){ budget, rules, &begin, times, 0, now_us, 0 };
        GW_ASSERT(pthread_create(&takers[i].thread, NULL, take, &takers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        taken += takers[i].taken;
    }
    pthread_barrier_destroy(&begin);
    return taken;
}
