/* Threads that all want a place at one target, take it and give it back. */
#include "base/check.h"
#include "policy/vitals.h"

#include <pthread.h>

#define THREADS 8

struct visitor {
    struct gw_vitals *vitals;
    pthread_barrier_t *begin;
    atomic_uint *inside;
    unsigned cap, times, most;
    pthread_t thread;
};

unsigned gw_spec_vitals_race(struct gw_vitals *vitals, unsigned cap, unsigned times);

static void *visit(void *arg)
{
    struct visitor *visitor = arg;

    pthread_barrier_wait(visitor->begin);
    for (unsigned i = 0; i < visitor->times; i++) {
        if (!gw_vitals_enter(visitor->vitals, visitor->cap))
            continue;
        unsigned inside = atomic_fetch_add(visitor->inside, 1) + 1;

        if (inside > visitor->most)
            visitor->most = inside;
        atomic_fetch_sub(visitor->inside, 1);
        gw_vitals_leave(visitor->vitals);
    }
    return NULL;
}

/* Returns the most that were there at a time. */
unsigned gw_spec_vitals_race(struct gw_vitals *vitals, unsigned cap, unsigned times)
{
    struct visitor visitors[THREADS];
    pthread_barrier_t begin;
    atomic_uint inside = 0;
    unsigned most = 0;

    pthread_barrier_init(&begin, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){ vitals, &begin, &inside, cap, times, 0, 0 };
        GW_ASSERT(pthread_create(&visitors[i].thread, NULL, visit, &visitors[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(visitors[i].thread, NULL);
        if (visitors[i].most > most)
            most = visitors[i].most;
    }
    pthread_barrier_destroy(&begin);
    return most;
}
