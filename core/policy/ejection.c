#include "policy/ejection.h"

#include <math.h>

const struct gw_ejection_rules gw_ejection_defaults = {
    .consecutive_failures = 5,
    .success_rate_deviations = 1.9,
    .success_rate_targets = 5,
    .success_rate_requests = 100,
    .failure_percentage_targets = 5,
    .failure_percentage_requests = 50,
    .interval_us = 10000000,
    .time_us = 30000000,
    .time_max_us = 300000000,
    .max_ejected = 10,
};

static uint64_t until(const struct gw_ejection *ejection)
{
    return atomic_load_explicit(&ejection->until_us, memory_order_relaxed);
}

/* ── in a row ──────────────────────────────────────────────────────────────── */

/* A counter at 0 is only read, so that targets that fare well cost no write here. */
static void clear(atomic_uint *counter)
{
    if (atomic_load_explicit(counter, memory_order_relaxed))
        atomic_store_explicit(counter, 0, memory_order_relaxed);
}

/* True for exactly one of those who count at once. */
static bool reaches(atomic_uint *counter, uint32_t limit)
{
    if (limit == 0 || atomic_fetch_add_explicit(counter, 1, memory_order_relaxed) + 1 != limit)
        return false;
    clear(counter);
    return true;
}

static bool looks_at_rates(const struct gw_ejection_rules *rules)
{
    return rules->success_rate_deviations > 0 || rules->failure_percentage > 0;
}

enum gw_ejection_why gw_ejection_note(struct gw_ejection *ejection,
                                      const struct gw_ejection_rules *rules,
                                      enum gw_ejection_report report)
{
    bool failed = report != GW_EJECTION_GOOD;

    if (looks_at_rates(rules))
        atomic_fetch_add_explicit(&ejection->traffic, (unsigned long long)failed << 32 | 1,
                                  memory_order_relaxed);
    if (report == GW_EJECTION_GATEWAY_FAILURE) {
        if (reaches(&ejection->gateway_failures, rules->consecutive_gateway_failures))
            return GW_EJECTION_GATEWAY_FAILURES;
    } else {
        clear(&ejection->gateway_failures);
    }
    if (!failed)
        clear(&ejection->failures);
    else if (reaches(&ejection->failures, rules->consecutive_failures))
        return GW_EJECTION_FAILURES;
    return GW_EJECTION_NONE;
}

/* ── ejecting ──────────────────────────────────────────────────────────────── */

static bool may_eject(struct gw_ejection *const *all, unsigned count, uint32_t max_ejected,
                      uint64_t now_us)
{
    uint64_t ejected = 0;

    for (unsigned i = 0; i < count; i++)
        ejected += gw_ejection_is(all[i], now_us);
    if (ejected == 0)
        return count > 1 && max_ejected > 0;
    return (ejected + 1) * 100 <= (uint64_t)count * max_ejected && ejected + 1 < count;
}

static uint64_t how_long(const struct gw_ejection *ejection, const struct gw_ejection_rules *rules)
{
    uint64_t most = rules->time_max_us > rules->time_us ? rules->time_max_us : rules->time_us;

    if (rules->time_us == 0 || ejection->times >= most / rules->time_us)
        return most;
    return rules->time_us * ejection->times;
}

uint64_t gw_ejection_eject(struct gw_ejection *const *all, unsigned count, unsigned index,
                           const struct gw_ejection_rules *rules, enum gw_ejection_why why,
                           uint64_t now_us)
{
    struct gw_ejection *ejection = all[index];

    if (gw_ejection_is(ejection, now_us) || !may_eject(all, count, rules->max_ejected, now_us))
        return 0;
    ejection->times += ejection->times < UINT32_MAX;
    ejection->why = why;

    uint64_t lasts_us = how_long(ejection, rules);

    atomic_store_explicit(&ejection->until_us, now_us + lasts_us, memory_order_relaxed);
    return lasts_us;
}

unsigned gw_ejection_returns(struct gw_ejection *const *all, unsigned count, uint64_t now_us,
                             enum gw_ejection_why *verdicts)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++) {
        bool over = until(all[i]) != 0 && until(all[i]) <= now_us;

        verdicts[i] = over ? GW_EJECTION_RETURN : GW_EJECTION_NONE;
        found += over;
        if (over)
            gw_ejection_end(all[i], now_us);
    }
    return found;
}

bool gw_ejection_end(struct gw_ejection *ejection, uint64_t now_us)
{
    unsigned long long before =
        atomic_exchange_explicit(&ejection->until_us, 0, memory_order_relaxed);

    clear(&ejection->failures);
    clear(&ejection->gateway_failures);
    ejection->returned = true;
    return before > now_us;
}

/* ── rates ─────────────────────────────────────────────────────────────────── */

static uint32_t requests_of(uint64_t traffic)
{
    return (uint32_t)traffic;
}

static double success_rate(uint64_t traffic)
{
    return 100.0 * (double)(requests_of(traffic) - (uint32_t)(traffic >> 32)) /
           (double)requests_of(traffic);
}

static bool has_enough(const struct gw_ejection *ejection, uint32_t requests)
{
    return requests_of(ejection->seen) > 0 && requests_of(ejection->seen) >= requests;
}

/* Of the targets that had enough requests. */
struct rates {
    unsigned targets;
    double mean, deviation;
};

static struct rates rates_of(struct gw_ejection *const *all, unsigned count, uint32_t requests)
{
    struct rates rates = { 0, 0, 0 };
    double squares = 0;

    for (unsigned i = 0; i < count; i++) {
        if (!has_enough(all[i], requests))
            continue;
        rates.targets++;
        rates.mean += success_rate(all[i]->seen);
    }
    if (rates.targets == 0)
        return rates;
    rates.mean /= rates.targets;
    for (unsigned i = 0; i < count; i++) {
        double off = has_enough(all[i], requests) ? success_rate(all[i]->seen) - rates.mean : 0;

        squares += off * off;
    }
    rates.deviation = sqrt(squares / rates.targets);
    return rates;
}

/* What holds for all in one interval. */
struct judge {
    const struct gw_ejection_rules *rules;
    bool by_rate, by_percentage;
    double least_rate;
};

static struct judge judge_of(struct gw_ejection *const *all, unsigned count,
                             const struct gw_ejection_rules *rules)
{
    struct rates rates = rates_of(all, count, rules->success_rate_requests);
    struct rates failing = rates_of(all, count, rules->failure_percentage_requests);

    return (struct judge){
        .rules = rules,
        .by_rate =
            rules->success_rate_deviations > 0 && rates.targets >= rules->success_rate_targets,
        .by_percentage =
            rules->failure_percentage > 0 && failing.targets >= rules->failure_percentage_targets,
        .least_rate = rates.mean - rates.deviation * rules->success_rate_deviations,
    };
}

static enum gw_ejection_why judge(const struct judge *judge, const struct gw_ejection *ejection)
{
    const struct gw_ejection_rules *rules = judge->rules;

    if (judge->by_rate && has_enough(ejection, rules->success_rate_requests) &&
        success_rate(ejection->seen) < judge->least_rate)
        return GW_EJECTION_SUCCESS_RATE;
    if (judge->by_percentage && has_enough(ejection, rules->failure_percentage_requests) &&
        100 - success_rate(ejection->seen) >= rules->failure_percentage)
        return GW_EJECTION_FAILURE_PERCENTAGE;
    return GW_EJECTION_NONE;
}

static void begin_interval(struct gw_ejection *ejection, uint64_t now_us)
{
    ejection->seen = atomic_exchange_explicit(&ejection->traffic, 0, memory_order_relaxed);
    if (!gw_ejection_is(ejection, now_us) && !ejection->returned && ejection->times > 0)
        ejection->times--;
    ejection->returned = false;
}

unsigned gw_ejection_sweep(struct gw_ejection *const *all, unsigned count,
                           const struct gw_ejection_rules *rules, uint64_t now_us,
                           enum gw_ejection_why *verdicts)
{
    unsigned found = 0;

    for (unsigned i = 0; i < count; i++)
        begin_interval(all[i], now_us);

    struct judge all_of_them = judge_of(all, count, rules);

    for (unsigned i = 0; i < count; i++) {
        enum gw_ejection_why why = judge(&all_of_them, all[i]);

        verdicts[i] = GW_EJECTION_NONE;
        if (!why || !gw_ejection_eject(all, count, i, rules, why, now_us))
            continue;
        verdicts[i] = why;
        found++;
    }
    return found;
}

/* ── for people ────────────────────────────────────────────────────────────── */

const char *gw_ejection_why_text(enum gw_ejection_why why)
{
    static const char *const texts[] = {
        [GW_EJECTION_NONE] = "",
        [GW_EJECTION_FAILURES] = "consecutive_failures",
        [GW_EJECTION_GATEWAY_FAILURES] = "consecutive_gateway_failures",
        [GW_EJECTION_SUCCESS_RATE] = "success_rate",
        [GW_EJECTION_FAILURE_PERCENTAGE] = "failure_percentage",
        [GW_EJECTION_RETURN] = "return",
    };

    return texts[why];
}
