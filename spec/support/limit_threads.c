/* Threads that take from the same few limits at the same time, alone and several at once, among
 * many other keys and while the table changes its size. What all of them got together must be what
 * one would have got. */
#include "base/check.h"
#include "policy/limit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS 4
#define START_US UINT64_C(1000000000)

struct gw_spec_limit_sums {
    double window, sliding, bucket; /* how much each let pass */
    double both;                    /* how often two did at once */
    uint64_t end_us;                /* the latest clock of all */
};

struct taker {
    struct gw_limit_table *limits;
    struct gw_zone *zone;
    const struct gw_limit_rule *window, *sliding, *bucket;
    atomic_ullong *clock;
    unsigned times, number;
    struct gw_spec_limit_sums sums;
    pthread_t thread;
};

void gw_spec_limit_race(unsigned times, const struct gw_limit_rule *window,
                        const struct gw_limit_rule *sliding, const struct gw_limit_rule *bucket,
                        struct gw_spec_limit_sums *sums);

static bool take(struct taker *taker, struct gw_slice key, const struct gw_limit_rule *rule,
                 uint64_t now_us)
{
    struct gw_limit_ask ask = { .key = key, .rule = rule, .cost = 1 };
    struct gw_limit_answer answer;

    return gw_limit_take(taker->limits, &ask, 1, now_us, &answer);
}

static bool take_both(struct taker *taker, uint64_t now_us)
{
    struct gw_limit_ask asks[] = {
        { .key = GW_SLICE("hot"), .rule = taker->window, .cost = 1 },
        { .key = GW_SLICE("busy"), .rule = taker->sliding, .cost = 1 },
    };
    struct gw_limit_answer answers[2];

    if (taker->number % 2) { /* in the other order */
        struct gw_limit_ask first = asks[0];

        asks[0] = asks[1];
        asks[1] = first;
    }
    return gw_limit_take(taker->limits, asks, 2, now_us, answers);
}

static void *run(void *arg)
{
    static const size_t sizes[] = { 2 * 1024 * 1024, 3 * 1024 * 1024 };
    struct taker *taker = arg;
    char name[32];

    for (unsigned i = 0; i < taker->times; i++) {
        uint64_t now_us = START_US + atomic_fetch_add(taker->clock, 3);

        taker->sums.window += take(taker, GW_SLICE("hot"), taker->window, now_us);
        taker->sums.sliding += take(taker, GW_SLICE("busy"), taker->sliding, now_us);
        taker->sums.bucket += take(taker, GW_SLICE("drip"), taker->bucket, now_us);
        taker->sums.both += take_both(taker, now_us);
        int len = snprintf(name, sizeof(name), "%u/%u", taker->number, i);

        take(taker, gw_slice(name, (size_t)len), taker->window, now_us);
        if (i % 1000 == 999)
            taker->zone->kind->apply(taker->zone, &sizes[i / 1000 % 2]);
    }
    return NULL;
}

void gw_spec_limit_race(unsigned times, const struct gw_limit_rule *window,
                        const struct gw_limit_rule *sliding, const struct gw_limit_rule *bucket,
                        struct gw_spec_limit_sums *sums)
{
    struct gw_zones *zones = gw_zones_new();
    size_t size = 2 * 1024 * 1024;
    const char *why;
    struct gw_zone *zone =
        gw_zone_acquire(zones, GW_SLICE("race"), &gw_limit_table_kind, &size, &why);
    struct taker takers[THREADS];
    atomic_ullong clock = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){
            .limits = gw_limit_table_of_zone(zone),
            .zone = zone,
            .window = window,
            .sliding = sliding,
            .bucket = bucket,
            .clock = &clock,
            .times = times,
            .number = i,
        };
        GW_ASSERT(pthread_create(&takers[i].thread, NULL, run, &takers[i]) == 0);
    }
    *sums = (struct gw_spec_limit_sums){ 0 };
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(takers[i].thread, NULL);
        sums->window += takers[i].sums.window;
        sums->sliding += takers[i].sums.sliding;
        sums->bucket += takers[i].sums.bucket;
        sums->both += takers[i].sums.both;
    }
    sums->end_us = START_US + atomic_load(&clock) - 3;
    gw_zone_release(zone);
    gw_zones_free(zones);
}
