/* Rules from the numbers that people write, and the calendar of fixed windows. */
#include "base/map.h"
#include "policy/limit_private.h"

#include <math.h>

#define LARGEST 1e12       /* of any amount; in millionths it fits in 63 bits twice */
#define WINDOW_MAX_S 3.2e8 /* ten years */
#define DAY_US UINT64_C(86400000000)

static const char *judge_window(const struct gw_limit_terms *terms)
{
    bool fixed = terms->algorithm == GW_LIMIT_FIXED_WINDOW;

    if (terms->align < 0 || terms->align >= GW_LIMIT_ALIGNMENTS)
        return "unknown alignment";
    if (fixed && terms->align >= GW_LIMIT_BY_DAY)
        return NULL; /* the calendar has it */
    if (!(terms->window >= 0.001 && terms->window <= WINDOW_MAX_S))
        return "the window must be from a millisecond to ten years";
    if (terms->algorithm == GW_LIMIT_SLIDING_WINDOW && terms->limit > GW_LIMIT_LOG_MAX)
        return "a sliding window remembers each of at most 5000; beyond that set approximate: true";
    return NULL;
}

static const char *judge(const struct gw_limit_terms *terms)
{
    if (!(terms->limit >= 1e-6 && terms->limit <= LARGEST) &&
        !(terms->limit == 0 && terms->algorithm == GW_LIMIT_LEAKY_BUCKET))
        return "the limit must be above 0, and at most a million millions";
    switch (terms->algorithm) {
    case GW_LIMIT_TOKEN_BUCKET:
    case GW_LIMIT_LEAKY_BUCKET:
        if (!(terms->rate >= 1e-6 && terms->rate <= LARGEST))
            return "the rate must be above 0, and at most a million millions a second";
        return NULL;
    case GW_LIMIT_FIXED_WINDOW:
    case GW_LIMIT_SLIDING_WINDOW:
    case GW_LIMIT_SLIDING_APPROXIMATE:
        return judge_window(terms);
    default:
        return "unknown algorithm";
    }
}

/* The same in every process, and for every limit of the same kind: who raises a limit does not
 * forget what was counted. */
static uint64_t id_of(const struct gw_limit_rule *rule, const char *name)
{
    uint64_t parts[] = { (uint64_t)rule->algorithm, (uint64_t)rule->align, rule->window_us };
    uint64_t id = gw_hash(0, parts, sizeof(parts));

    return name ? gw_hash(id, name, strlen(name)) : id;
}

const char *gw_limit_rule_init(struct gw_limit_rule *rule, const struct gw_limit_terms *terms)
{
    const char *why = judge(terms);
    bool is_bucket =
        terms->algorithm == GW_LIMIT_TOKEN_BUCKET || terms->algorithm == GW_LIMIT_LEAKY_BUCKET;
    bool has_length = !is_bucket && !(terms->algorithm == GW_LIMIT_FIXED_WINDOW &&
                                      terms->align >= GW_LIMIT_BY_DAY);

    if (why)
        return why;
    *rule = (struct gw_limit_rule){
        .algorithm = terms->algorithm,
        .align = terms->algorithm == GW_LIMIT_FIXED_WINDOW ? terms->align : GW_LIMIT_BY_CLOCK,
        .limit_micro = llround(terms->limit * GW_LIMIT_MICRO),
        .rate_micro = is_bucket ? (uint64_t)llround(terms->rate * GW_LIMIT_MICRO) : 0,
        .window_us = has_length ? (uint64_t)llround(terms->window * 1e6) : 0,
    };
    if (terms->algorithm == GW_LIMIT_SLIDING_WINDOW)
        rule->log_max = (uint32_t)ceil(terms->limit);
    rule->id = id_of(rule, terms->name);
    return NULL;
}

int64_t gw_limit_most(const struct gw_limit_rule *rule)
{
    if (rule->algorithm == GW_LIMIT_LEAKY_BUCKET)
        return rule->limit_micro + GW_LIMIT_MICRO; /* and the one in service */
    return rule->limit_micro;
}

/* --- the calendar --- */

static bool is_leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static unsigned days_of_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    return month == 1 && is_leap(year) ? 29 : days[month];
}

/* The first day, since 1970, behind the year or the month that `day` lies in. Walks: once a
 * window. */
static uint64_t next_day(uint64_t day, bool of_year)
{
    uint64_t at = 0;
    unsigned year = 1970;

    while (at + 365 + is_leap(year) <= day)
        at += 365 + is_leap(year++);
    if (of_year)
        return at + 365 + is_leap(year);
    for (unsigned month = 0;; month++) {
        at += days_of_month(year, month);
        if (at > day)
            return at;
    }
}

uint64_t gw_limit_window_end(const struct gw_limit_rule *rule, uint64_t now_us)
{
    uint64_t day = now_us / DAY_US;

    switch ((enum gw_limit_align)rule->align) {
    case GW_LIMIT_BY_DAY:
        return (day + 1) * DAY_US;
    case GW_LIMIT_BY_WEEK: /* 1970 began with a Thursday */
        return (day + 7 - (day + 3) % 7) * DAY_US;
    case GW_LIMIT_BY_MONTH:
        return next_day(day, false) * DAY_US;
    case GW_LIMIT_BY_YEAR:
        return next_day(day, true) * DAY_US;
    case GW_LIMIT_BY_FIRST_USE:
        return now_us + rule->window_us;
    case GW_LIMIT_BY_CLOCK:
    case GW_LIMIT_ALIGNMENTS:
        break;
    }
    return now_us - now_us % rule->window_us + rule->window_us;
}
