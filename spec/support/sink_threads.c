/* Threads that put into a sink's queue while another takes. */
#include "base/check.h"
#include "sink/queue.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#define PUTTERS 3

struct race {
    struct gw_sink_queue *queue;
    unsigned lines; /* of each putter */
    sem_t wake;
    unsigned last[PUTTERS]; /* line of each that came last */
    unsigned in_order;
};

struct putter {
    struct race *race;
    unsigned index;
    pthread_t thread;
};

unsigned gw_spec_sink_race(struct gw_sink_queue *queue, unsigned lines);

static void *put(void *arg)
{
    struct putter *putter = arg;
    struct race *race = putter->race;

    for (unsigned i = 1; i <= race->lines;) {
        char text[32];
        int len = snprintf(text, sizeof(text), "%u %u", putter->index, i);

        switch (gw_sink_queue_put(race->queue, gw_slice(text, (size_t)len), true)) {
        case GW_SINK_FULL:
            sched_yield();
            continue;
        case GW_SINK_PUT_WAKE:
            sem_post(&race->wake);
            break;
        case GW_SINK_PUT:
            break;
        }
        i++;
    }
    return NULL;
}

static unsigned check(struct race *race, struct gw_sink_entry *entry)
{
    unsigned count = 0;

    while (entry) {
        struct gw_sink_entry *next = entry->next;
        char *end;
        unsigned long putter = strtoul(entry->text, &end, 10);
        unsigned long line = strtoul(end, NULL, 10);

        if (line == race->last[putter] + 1u)
            race->in_order++;
        race->last[putter] = (unsigned)line;
        gw_sink_queue_release(race->queue, entry);
        entry = next;
        count++;
    }
    return count;
}

/* Sleeps for ever when a wake-up is lost. Returns how many lines came in their thread's order. */
unsigned gw_spec_sink_race(struct gw_sink_queue *queue, unsigned lines)
{
    struct race race = { .queue = queue, .lines = lines };
    struct putter putters[PUTTERS];
    unsigned left = lines * PUTTERS;

    sem_init(&race.wake, 0, 0);
    for (unsigned i = 0; i < PUTTERS; i++) {
        putters[i] = (struct putter){ .race = &race, .index = i };
        GW_ASSERT(pthread_create(&putters[i].thread, NULL, put, &putters[i]) == 0);
    }
    while (left > 0) {
        struct gw_sink_entry *entry = gw_sink_queue_take(queue, true);

        if (!entry)
            sem_wait(&race.wake);
        left -= check(&race, entry);
    }
    for (unsigned i = 0; i < PUTTERS; i++)
        pthread_join(putters[i].thread, NULL);
    sem_destroy(&race.wake);
    return race.in_order;
}
