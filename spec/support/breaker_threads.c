/* Threads that all ask an open breaker at the moment its time is over. */
#include "base/check.h"
#include "policy/breaker.h"

#define THREADS 8

struct asker {
    struct gw_breaker *breaker;
    const struct gw_breaker_rules *rules;
    pthread_barrier_t *begin;
    unsigned times, admitted;
    uint64_t now_us;
    pthread_t thread;
};

unsigned gw_spec_breaker_race(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                              unsigned times, uint64_t now_us);

static void *ask(void *arg)
{
    struct asker *asker = arg;

    pthread_barrier_wait(asker->begin);
    for (unsigned i = 0; i < asker->times; i++) {
        struct gw_breaker_pass pass;
        struct gw_breaker_event event;

        if (gw_breaker_ask(asker->breaker, asker->rules, asker->now_us, &pass, &event))
            continue;
        /* Every other probe is cancelled: its place is somebody else's then. */
        if (i % 2)
            gw_breaker_end(asker->breaker, asker->rules, &pass, GW_BREAKER_NOTHING, asker->now_us,
                           &event);
        else
            asker->admitted++;
    }
    return NULL;
}

/* Returns how many were let through and kept their place. */
unsigned gw_spec_breaker_race(struct gw_breaker *breaker, const struct gw_breaker_rules *rules,
                              unsigned times, uint64_t now_us)
{
    struct asker askers[THREADS];
    pthread_barrier_t begin;
    unsigned admitted = 0;

    pthread_barrier_init(&begin, NULL, THREADS);
    for (unsigned i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){ breaker, rules, &begin, times, 0, now_us, 0 };
        GW_ASSERT(pthread_create(&askers[i].thread, NULL, ask, &askers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(askers[i].thread, NULL);
        admitted += askers[i].admitted;
    }
    pthread_barrier_destroy(&begin);
    return admitted;
}
