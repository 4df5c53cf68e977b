/* Threads that count, scrape, put and take at the same time. */
#include "base/check.h"
#include "telemetry/metrics.h"
#include "telemetry/ring.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNTERS 3

struct counting {
    struct gw_metrics *metrics;
    gw_metric counter;
    gw_metric histogram;
    gw_metric level;
    unsigned writer;
    unsigned times;
    atomic_uint *running;
    pthread_t thread;
};

unsigned gw_spec_count_and_scrape(struct gw_metrics *metrics, unsigned counter, unsigned histogram,
                                  unsigned level, unsigned times);

static void *count(void *arg)
{
    struct counting *counting = arg;

    for (unsigned i = 0; i < counting->times; i++) {
        gw_metric_add(counting->metrics, counting->counter, counting->writer, 1);
        gw_metric_observe_us(counting->metrics, counting->histogram, counting->writer, i);
        gw_metric_level_add(counting->metrics, counting->level, 1);
    }
    atomic_fetch_sub(counting->running, 1);
    return NULL;
}

/* Returns how often it could be scraped meanwhile. */
unsigned gw_spec_count_and_scrape(struct gw_metrics *metrics, unsigned counter, unsigned histogram,
                                  unsigned level, unsigned times)
{
    struct counting all[COUNTERS];
    atomic_uint running = COUNTERS;
    unsigned scrapes = 0;

    for (unsigned i = 0; i < COUNTERS; i++) {
        all[i] = (struct counting){ metrics, counter, histogram, level, i, times, &running, 0 };
        GW_ASSERT(pthread_create(&all[i].thread, NULL, count, &all[i]) == 0);
    }
    do {
        struct gw_buf text;

        gw_buf_init(&text, 1024 * 1024);
        GW_ASSERT(gw_metrics_render(metrics, &text));
        gw_buf_deinit(&text);
        scrapes++;
    } while (atomic_load(&running) > 0);
    for (unsigned i = 0; i < COUNTERS; i++)
        pthread_join(all[i].thread, NULL);
    return scrapes;
}

/* ── the ring ── */

struct race {
    struct gw_ring *ring;
    unsigned lines;
    sem_t wake;
    sem_t room;
    unsigned in_order;
};

unsigned gw_spec_ring_race(struct gw_ring *ring, unsigned lines);

static void *take(void *arg)
{
    struct race *race = arg;
    struct gw_slice lines[16];
    unsigned taken = 0;

    while (taken < race->lines) {
        unsigned count = gw_ring_peek(race->ring, lines, GW_ARRAY_LEN(lines));

        if (count == 0) { /* sleeps for ever when a wake-up is lost */
            sem_wait(&race->wake);
            continue;
        }
        for (unsigned i = 0; i < count; i++)
            if (strtoul(lines[i].ptr, NULL, 10) == taken + i)
                race->in_order++;
        taken += count;
        gw_ring_consume(race->ring, count);
        sem_post(&race->room);
    }
    return NULL;
}

/* Returns how many lines came in order. */
unsigned gw_spec_ring_race(struct gw_ring *ring, unsigned lines)
{
    struct race race = { .ring = ring, .lines = lines };
    pthread_t taker;

    sem_init(&race.wake, 0, 0);
    sem_init(&race.room, 0, 0);
    GW_ASSERT(pthread_create(&taker, NULL, take, &race) == 0);
    for (unsigned i = 0; i < lines; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "%u %.*s", i, (int)(i % 40),
                           "........................................");

        while (!gw_ring_put(ring, gw_slice(text, (size_t)len)))
            sem_wait(&race.room);
        if (gw_ring_was_empty(ring))
            sem_post(&race.wake);
    }
    pthread_join(taker, NULL);
    sem_destroy(&race.wake);
    sem_destroy(&race.room);
    return race.in_order;
}
