#include "policy/adaptive.h"

#include <math.h>

#define SUB_BITS 4
#define SUBS (1u << SUB_BITS)
#define PROBE_PART 4     /* of the limit is what it is in a probe */
#define PROBE_WINDOWS 50 /* then one that had too few answers is given up */
#define LEAST_FACTOR 0.5 /* in one window */

void gw_adaptive_init(struct gw_adaptive *adaptive)
{
    pthread_mutex_init(&adaptive->lock, NULL);
}

void gw_adaptive_deinit(struct gw_adaptive *adaptive)
{
    pthread_mutex_destroy(&adaptive->lock);
}

static uint32_t clamp(uint32_t value, const struct gw_adaptive_rules *rules)
{
    if (value < rules->least)
        return rules->least;
    return value > rules->most ? rules->most : value;
}

unsigned gw_adaptive_limit(const struct gw_adaptive *adaptive,
                           const struct gw_adaptive_rules *rules)
{
    unsigned limit = atomic_load_explicit(&adaptive->limit, memory_order_relaxed);

    return clamp(limit ? limit : rules->initial, rules);
}

/* ── how long answers take ─────────────────────────────────────────────────── */

static unsigned bucket_of(uint64_t took_us)
{
    unsigned power, bucket;

    if (took_us < SUBS)
        return (unsigned)took_us;
    power = 63u - (unsigned)__builtin_clzll(took_us);
    bucket = (power - SUB_BITS + 1) * SUBS + (unsigned)(took_us >> (power - SUB_BITS) & (SUBS - 1));
    return bucket < GW_ADAPTIVE_BUCKETS ? bucket : GW_ADAPTIVE_BUCKETS - 1;
}

/* The middle of what falls into it. */
static double value_of(unsigned bucket)
{
    unsigned power = bucket / SUBS;
    double step;

    if (power == 0)
        return bucket;
    step = (double)(1ull << (power - 1));
    return (bucket % SUBS + SUBS) * step + step / 2;
}

/* Of what was counted, which is forgotten. */
static double take_median(struct gw_adaptive *adaptive)
{
    uint32_t counts[GW_ADAPTIVE_BUCKETS], sum = 0, until = 0;

    for (unsigned i = 0; i < GW_ADAPTIVE_BUCKETS; i++) {
        counts[i] = atomic_exchange_explicit(&adaptive->buckets[i], 0, memory_order_relaxed);
        sum += counts[i];
    }
    for (unsigned i = 0; i < GW_ADAPTIVE_BUCKETS; i++) {
        until += counts[i];
        if (sum && until * 2 >= sum)
            return value_of(i);
    }
    return 0;
}

/* ── reckoning, with the lock held ─────────────────────────────────────────── */

static void publish(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules)
{
    uint32_t limit = (uint32_t)adaptive->exact;

    atomic_store_explicit(&adaptive->limit,
                          clamp(adaptive->probes ? limit / PROBE_PART : limit, rules),
                          memory_order_relaxed);
}

static void plan_probe(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                       uint64_t now_us)
{
    /* What chance there is in the time it is reckoned at keeps many gateways apart. */
    adaptive->probe_at_us =
        now_us + rules->probe_every_us - now_us % (rules->probe_every_us / 8 + 1);
}

static void begin_probe(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                        uint64_t now_us)
{
    adaptive->probes = true;
    adaptive->probe_ends_us = now_us + PROBE_WINDOWS * rules->interval_us;
    atomic_store_explicit(&adaptive->counts_from_us, now_us, memory_order_relaxed);
}

static void end_probe(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                      double median, uint64_t now_us)
{
    adaptive->probes = false;
    atomic_store_explicit(&adaptive->counts_from_us, 0, memory_order_relaxed);
    if (median > 0)
        adaptive->baseline_us = median;
    plan_probe(adaptive, rules, now_us);
}

static void move(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules, double median,
                 uint32_t peak)
{
    double factor = adaptive->baseline_us * rules->tolerance / median, limit;

    if (peak * 2.0 < adaptive->exact)
        return;
    factor = factor > 1 ? 1 : factor < LEAST_FACTOR ? LEAST_FACTOR : factor;
    limit = adaptive->exact * factor + sqrt(adaptive->exact);
    if (limit < rules->least)
        limit = rules->least;
    adaptive->exact = limit > rules->most ? rules->most : limit;
}

static void end_window(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                       uint64_t now_us)
{
    uint32_t samples = atomic_load_explicit(&adaptive->samples, memory_order_relaxed);
    double median;
    uint32_t peak;

    atomic_store_explicit(&adaptive->window_ends_us, now_us + rules->interval_us,
                          memory_order_relaxed);
    if (samples < GW_ADAPTIVE_SAMPLES && !(adaptive->probes && now_us >= adaptive->probe_ends_us))
        return;
    atomic_store_explicit(&adaptive->samples, 0, memory_order_relaxed);
    peak = atomic_exchange_explicit(&adaptive->peak, 0, memory_order_relaxed);
    median = take_median(adaptive);
    if (median < 1)
        median = 1;
    if (adaptive->exact == 0)
        adaptive->exact = clamp(rules->initial, rules);
    if (adaptive->probes) {
        end_probe(adaptive, rules, samples < GW_ADAPTIVE_SAMPLES ? 0 : median, now_us);
    } else {
        if (adaptive->baseline_us == 0)
            plan_probe(adaptive, rules, now_us);
        if (adaptive->baseline_us == 0 || median < adaptive->baseline_us)
            adaptive->baseline_us = median;
        move(adaptive, rules, median, peak);
        if (now_us >= adaptive->probe_at_us)
            begin_probe(adaptive, rules, now_us);
    }
    publish(adaptive, rules);
}

void gw_adaptive_note(struct gw_adaptive *adaptive, const struct gw_adaptive_rules *rules,
                      uint64_t took_us, uint64_t now_us, unsigned in_flight)
{
    unsigned peak = atomic_load_explicit(&adaptive->peak, memory_order_relaxed);

    if (now_us - took_us < atomic_load_explicit(&adaptive->counts_from_us, memory_order_relaxed))
        return;
    while (in_flight > peak &&
           !atomic_compare_exchange_weak_explicit(&adaptive->peak, &peak, in_flight,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
    atomic_fetch_add_explicit(&adaptive->buckets[bucket_of(took_us)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&adaptive->samples, 1, memory_order_relaxed);
    if (now_us < atomic_load_explicit(&adaptive->window_ends_us, memory_order_relaxed) ||
        pthread_mutex_trylock(&adaptive->lock) != 0)
        return;
    if (now_us >= atomic_load_explicit(&adaptive->window_ends_us, memory_order_relaxed))
        end_window(adaptive, rules, now_us);
    pthread_mutex_unlock(&adaptive->lock);
}

struct gw_adaptive_look gw_adaptive_look(struct gw_adaptive *adaptive)
{
    struct gw_adaptive_look look;

    pthread_mutex_lock(&adaptive->lock);
    look = (struct gw_adaptive_look){ adaptive->baseline_us, adaptive->probes };
    pthread_mutex_unlock(&adaptive->lock);
    return look;
}
