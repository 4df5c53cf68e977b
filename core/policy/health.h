#pragma once
/* Whether a target is healthy, by what checks and traffic report of it: so many reports of a kind
 * in a row move it, as in Kong. Verdict and counters are one word that changes in one step, so that
 * all workers and the checks agree without a lock, and each move is told to exactly one of them. */
#ifndef GW_CDEF
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#endif

#define GW_HEALTH_COUNT_MAX 255 /* of a rule */

enum gw_health_report {
    GW_HEALTH_SUCCESS,
    GW_HEALTH_HTTP_FAILURE, /* an answer that says so */
    GW_HEALTH_TCP_FAILURE,  /* cannot be reached, or broke off */
    GW_HEALTH_TIMEOUT,
    GW_HEALTH_NOTHING, /* says nothing about the target */
};

/* Who reports. */
enum gw_health_by {
    GW_HEALTH_BY_NOBODY,
    GW_HEALTH_BY_CHECK,
    GW_HEALTH_BY_TRAFFIC,
    GW_HEALTH_BY_OPERATOR,
};

/* So many in a row move it; 0: such reports move nothing. */
struct gw_health_rules {
    uint32_t successes, http_failures, tcp_failures, timeouts;
};

struct gw_health {
    atomic_ullong word; /* health.c; 0: healthy, nothing was reported */
};

/* What it looks like, and what a move came from. */
struct gw_health_look {
    bool down;
    bool unchecked; /* down only until the first check passes */
    enum gw_health_by by;
    enum gw_health_report report;                              /* that moved it last */
    uint32_t successes, http_failures, tcp_failures, timeouts; /* in a row, so far */
};

static inline bool gw_health_down(const struct gw_health *health)
{
    return atomic_load_explicit(&health->word, memory_order_relaxed) & 1;
}

/* Down only because no check passed yet: such a target is not used in panic, either. */
static inline bool gw_health_unchecked(const struct gw_health *health)
{
    return atomic_load_explicit(&health->word, memory_order_relaxed) & 2;
}

/* True when it moved; `look` (NULL is fine) is then what it moved to. */
bool gw_health_note(struct gw_health *health, const struct gw_health_rules *rules,
                    enum gw_health_report report, enum gw_health_by by,
                    struct gw_health_look *look);

/* Says so, whatever was reported; counters begin anew. True when it moved. */
bool gw_health_set(struct gw_health *health, bool down, enum gw_health_by by);

/* A new target that shall not be used before a check passed. */
void gw_health_await(struct gw_health *health);

struct gw_health_look gw_health_look(const struct gw_health *health);

const char *gw_health_by_text(enum gw_health_by by);             /* "check", "traffic", … */
const char *gw_health_report_text(enum gw_health_report report); /* "success", "timeout", … */
