/* Nanoseconds that a decision takes: each algorithm with one key and with a million of them, on one
 * thread and on two that share the table. Built and run by limits.sh. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/random.h"
#include "policy/limit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define KEYS 1000000
#define KEY_MAX 32
#define KEY_LEN 20
#define TABLE_BYTES (size_t)(256 * 1024 * 1024)
#define START_US UINT64_C(1800000000000000)

static char (*keys)[KEY_MAX];

struct runner {
    struct gw_limit_table *limits;
    const struct gw_limit_rule *rule;
    unsigned keys, times, asks;
    uint64_t seed;
    double ns;
    pthread_t thread;
};

/* What this thread computed: the machine may have other things to do. */
static uint64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void *run(void *arg)
{
    struct runner *runner = arg;
    struct gw_random random;
    struct gw_limit_ask asks[GW_LIMIT_ASKS_MAX];
    struct gw_limit_answer answers[GW_LIMIT_ASKS_MAX];

    gw_random_seed(&random, runner->seed);
    uint64_t begin_ns = clock_ns();

    for (unsigned i = 0; i < runner->times; i++) {
        for (unsigned n = 0; n < runner->asks; n++) {
            const char *key = keys[gw_random_next(&random) % runner->keys];

            asks[n] = (struct gw_limit_ask){ gw_slice(key, KEY_LEN), runner->rule, 1 };
        }
        gw_limit_take(runner->limits, asks, runner->asks, START_US + i, answers);
    }
    runner->ns = (double)(clock_ns() - begin_ns) / runner->times;
    return NULL;
}

/* Every key once, so that cells and pages are there. */
static void fill(struct gw_limit_table *limits, const struct gw_limit_rule *rule, unsigned count)
{
    struct gw_limit_answer answer;

    for (unsigned i = 0; i < count; i++) {
        struct gw_limit_ask ask = { gw_slice(keys[i], KEY_LEN), rule, 1 };

        gw_limit_take(limits, &ask, 1, START_US, &answer);
    }
}

/* Of a decision, as each thread sees it. */
static double measure(const struct gw_limit_rule *rule, unsigned key_count, unsigned threads,
                      unsigned asks, unsigned times)
{
    struct gw_limit_table *limits = gw_limit_table_new(TABLE_BYTES);
    struct runner runners[2];
    double ns = 0;

    fill(limits, rule, key_count);
    for (unsigned i = 0; i < threads; i++) {
        runners[i] = (struct runner){ limits, rule, key_count, times, asks, 7 + i, 0, 0 };
        GW_ASSERT(pthread_create(&runners[i].thread, NULL, run, &runners[i]) == 0);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(runners[i].thread, NULL);
        ns += runners[i].ns / threads;
    }
    gw_limit_table_free(limits);
    return ns;
}

static void row(const char *name, const struct gw_limit_terms *terms, unsigned times)
{
    struct gw_limit_rule rule;
    const char *why = gw_limit_rule_init(&rule, terms);

    GW_ASSERT(!why);
    printf("  %-24s %6.0f %10.0f %12.0f %14.0f %11.0f\n", name, measure(&rule, 1, 1, 1, times),
           measure(&rule, KEYS, 1, 1, times), measure(&rule, 1, 2, 1, times),
           measure(&rule, KEYS, 2, 1, times), measure(&rule, KEYS, 1, 3, times));
}

int main(int argc, char **argv)
{
    unsigned times = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2000000;
    double much = 1e12;

    keys = gw_alloc_zero(KEYS * sizeof(keys[0]));
    for (unsigned i = 0; i < KEYS; i++)
        snprintf(keys[i], KEY_MAX, "203.0.113.%02u/%08u", i % 100, i);
    printf(
        "ns a decision            one key  10^6 keys  one, 2 thr.  10^6, 2 thr.  three of 10^6\n");
    row("token-bucket", &(struct gw_limit_terms){ GW_LIMIT_TOKEN_BUCKET, 0, much, much, 0, NULL },
        times);
    row("leaky-bucket", &(struct gw_limit_terms){ GW_LIMIT_LEAKY_BUCKET, 0, much, much, 0, NULL },
        times);
    row("fixed-window", &(struct gw_limit_terms){ GW_LIMIT_FIXED_WINDOW, 0, much, 0, 60, NULL },
        times);
    row("sliding-window, 1000",
        &(struct gw_limit_terms){ GW_LIMIT_SLIDING_WINDOW, 0, 1000, 0, 60, NULL }, times);
    row("sliding, approximate",
        &(struct gw_limit_terms){ GW_LIMIT_SLIDING_APPROXIMATE, 0, much, 0, 60, NULL }, times);
    row("token-bucket, refusing",
        &(struct gw_limit_terms){ GW_LIMIT_TOKEN_BUCKET, 0, 1, 0.001, 0, NULL }, times);
    gw_free(keys);
    return 0;
}
