#include "policy/health.h"

/* The word: 1 down, 2 unchecked, then who moved it, by which report, and four counters. */
#define DOWN 1ull
#define UNCHECKED 2ull
#define BY_AT 2
#define REPORT_AT 4
#define COUNTER_BITS 8
#define COUNTERS_AT 8 /* of successes, then of failures in the order of their reports */
#define COUNTER_MASK 0xffull

static unsigned shift_of(enum gw_health_report report)
{
    return COUNTERS_AT + COUNTER_BITS * (unsigned)report;
}

static uint32_t counter(unsigned long long word, enum gw_health_report report)
{
    return (uint32_t)(word >> shift_of(report) & COUNTER_MASK);
}

static unsigned long long without_counters(unsigned long long word)
{
    return word & ((1ull << COUNTERS_AT) - 1);
}

static unsigned long long with_counter(unsigned long long word, enum gw_health_report report,
                                       uint32_t count)
{
    unsigned at = shift_of(report);

    return (word & ~(COUNTER_MASK << at)) | (unsigned long long)count << at;
}

static unsigned long long verdict(bool down, enum gw_health_by by, enum gw_health_report report)
{
    return (down ? DOWN : 0) | (unsigned long long)by << BY_AT |
           (unsigned long long)report << REPORT_AT;
}

static uint32_t limit_of(const struct gw_health_rules *rules, enum gw_health_report report)
{
    switch (report) {
    case GW_HEALTH_SUCCESS:
        return rules->successes;
    case GW_HEALTH_HTTP_FAILURE:
        return rules->http_failures;
    case GW_HEALTH_TCP_FAILURE:
        return rules->tcp_failures;
    case GW_HEALTH_TIMEOUT:
        return rules->timeouts;
    case GW_HEALTH_NOTHING:
        break;
    }
    return 0;
}

/* ── what a report makes of a word ─────────────────────────────────────────── */

static unsigned long long count_up(unsigned long long word, const struct gw_health_rules *rules,
                                   enum gw_health_report report, enum gw_health_by by)
{
    bool down = report != GW_HEALTH_SUCCESS;
    uint32_t count = counter(word, report) + 1, limit = limit_of(rules, report);

    if (limit == 0)
        return word;
    if (count >= limit)
        return verdict(down, by, report);
    return count > GW_HEALTH_COUNT_MAX ? word : with_counter(word, report, count);
}

/* Successes end what failures began, and failures what successes began. */
static unsigned long long after(unsigned long long word, const struct gw_health_rules *rules,
                                enum gw_health_report report, enum gw_health_by by)
{
    bool failed = report != GW_HEALTH_SUCCESS;

    if ((word & UNCHECKED) && by == GW_HEALTH_BY_CHECK)
        return verdict(failed, by, report);
    if (!(word & DOWN))
        return failed ? count_up(word, rules, report, by) : without_counters(word);
    if (failed)
        return without_counters(word);
    return count_up(word, rules, report, by);
}

static struct gw_health_look read_word(unsigned long long word)
{
    return (struct gw_health_look){
        .down = word & DOWN,
        .unchecked = word & UNCHECKED,
        .by = (enum gw_health_by)(word >> BY_AT & 3),
        .report = (enum gw_health_report)(word >> REPORT_AT & 7),
        .successes = counter(word, GW_HEALTH_SUCCESS),
        .http_failures = counter(word, GW_HEALTH_HTTP_FAILURE),
        .tcp_failures = counter(word, GW_HEALTH_TCP_FAILURE),
        .timeouts = counter(word, GW_HEALTH_TIMEOUT),
    };
}

bool gw_health_note(struct gw_health *health, const struct gw_health_rules *rules,
                    enum gw_health_report report, enum gw_health_by by, struct gw_health_look *look)
{
    unsigned long long before = atomic_load_explicit(&health->word, memory_order_relaxed), next;

    if (report == GW_HEALTH_NOTHING)
        return false;
    do {
        next = after(before, rules, report, by);
        if (next == before) /* the usual case: a success of a healthy target writes nothing */
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&health->word, &before, next,
                                                    memory_order_relaxed, memory_order_relaxed));
    if (look)
        *look = read_word(next);
    return (before & (DOWN | UNCHECKED)) != (next & (DOWN | UNCHECKED));
}

bool gw_health_set(struct gw_health *health, bool down, enum gw_health_by by)
{
    unsigned long long next = verdict(down, by, down ? GW_HEALTH_NOTHING : GW_HEALTH_SUCCESS);
    unsigned long long before = atomic_exchange_explicit(&health->word, next, memory_order_relaxed);

    return (before & (DOWN | UNCHECKED)) != (next & (DOWN | UNCHECKED));
}

void gw_health_await(struct gw_health *health)
{
    atomic_store_explicit(&health->word, DOWN | UNCHECKED | GW_HEALTH_NOTHING << REPORT_AT,
                          memory_order_relaxed);
}

struct gw_health_look gw_health_look(const struct gw_health *health)
{
    return read_word(atomic_load_explicit(&health->word, memory_order_relaxed));
}

/* ── for people ────────────────────────────────────────────────────────────── */

const char *gw_health_by_text(enum gw_health_by by)
{
    static const char *const texts[] = { "nobody", "check", "traffic", "operator" };

    return texts[by];
}

const char *gw_health_report_text(enum gw_health_report report)
{
    static const char *const texts[] = { "success", "http_failure", "tcp_failure", "timeout",
                                         "nothing" };

    return texts[report];
}
