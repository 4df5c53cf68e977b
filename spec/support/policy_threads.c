/* Threads that use one dictionary at the same time: they count in it, put, get, push and pop, make
 * it evict and change its size. What was counted must be right at the end. */
#include "base/check.h"
#include "policy/dict.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS 4

struct turn {
    struct gw_zones *zones;
    atomic_ulong *clock; /* the same for all */
    unsigned times;
    pthread_t thread;
};

double gw_spec_dict_race(struct gw_zones *zones, unsigned times);

static void use(struct gw_dict *dict, unsigned i, uint64_t now_us)
{
    static const char text[3000];
    char name[32];
    int len = snprintf(name, sizeof(name), "key%u", i % 512);
    struct gw_slice key = gw_slice(name, (size_t)len);
    struct gw_dict_value small = { .type = GW_DICT_STRING, .ptr = text, .len = i % 100 };
    struct gw_dict_value large = { .type = GW_DICT_STRING, .ptr = text, .len = sizeof(text) };
    struct gw_dict_got got;
    uint32_t length;
    double first = 0, result;

    gw_dict_incr(dict, GW_SLICE("sum"), 1, &first, 0, now_us, &result);
    gw_dict_set(dict, GW_DICT_ALWAYS, key, i % 3 ? &small : &large, i % 7, now_us);
    gw_dict_get(dict, key, now_us, &got);
    gw_dict_got_release(&got);
    gw_dict_push(dict, GW_SLICE("list"), i % 2, &small, now_us, &length);
    gw_dict_pop(dict, GW_SLICE("list"), i % 3, now_us, &got);
    gw_dict_got_release(&got);
}

static void *run(void *arg)
{
    struct turn *turn = arg;
    size_t sizes[] = { 256 * 1024, 1024 * 1024 };
    const char *why;
    struct gw_zone *zone =
        gw_zone_acquire(turn->zones, GW_SLICE("race"), &gw_dict_kind, &sizes[0], &why);

    for (unsigned i = 0; i < turn->times; i++) {
        use(gw_dict_of_zone(zone), i, atomic_fetch_add(turn->clock, 1));
        if (i % 100 == 99)
            zone->kind->apply(zone, &sizes[i / 100 % 2]);
        if (i % 1000 == 999) { /* another generation, whose zone it is too */
            struct gw_zone *again =
                gw_zone_acquire(turn->zones, GW_SLICE("race"), &gw_dict_kind, &sizes[0], &why);

            GW_ASSERT(again == zone);
            gw_zone_release(zone);
        }
    }
    gw_zone_release(zone);
    return NULL;
}

/* Returns what all of them counted together. */
double gw_spec_dict_race(struct gw_zones *zones, unsigned times)
{
    struct turn turns[THREADS];
    atomic_ulong clock = 1;
    size_t size = 256 * 1024;
    double sum = -1, first = 0;
    const char *why;
    struct gw_zone *zone = gw_zone_acquire(zones, GW_SLICE("race"), &gw_dict_kind, &size, &why);

    for (unsigned i = 0; i < THREADS; i++) {
        turns[i] = (struct turn){ zones, &clock, times, 0 };
        GW_ASSERT(pthread_create(&turns[i].thread, NULL, run, &turns[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(turns[i].thread, NULL);
    gw_dict_incr(gw_dict_of_zone(zone), GW_SLICE("sum"), 0, &first, 0, clock, &sum);
    gw_zone_release(zone);
    return sum;
}
