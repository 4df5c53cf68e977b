#pragma once
/* Who may how often. A *rule* is an algorithm with its numbers; applied to a *key* it has a cell in
 * a table of bounded size that all workers share, a kind of zone. Asked for a cost, a rule answers
 * whether it may pass, how much is left and how long to wait. Nothing is allocated for a decision:
 * when the table is full, what was not used for the longest time leaves, at most
 * GW_LIMIT_ASKS_MAX cells a decision. Keys are kept as hashes under a secret of the process.
 *
 * Amounts are counted in millionths, so fractions of a token never drift. Time is the microseconds
 * of gw_clock_steady_us(): what the system's clock is set to does not matter. A caller whose clock
 * lags behind another's is served as of the later one. Every function may be called from any
 * thread. */
#include "base/slice.h"
#include "policy/zone.h"
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

struct gw_limit_table;

enum gw_limit_algorithm {
    /* `limit` tokens at most, `rate` a second come back. */
    GW_LIMIT_TOKEN_BUCKET,
    /* `limit` in the queue and one in service; `rate` a second leave. Here it polices: what would
     * have to wait passes at once, what finds no place is refused. */
    GW_LIMIT_LEAKY_BUCKET,
    /* `limit` a window; at its edge twice that may pass in a short time. */
    GW_LIMIT_FIXED_WINDOW,
    /* `limit` in any window that ends now, exactly: it remembers what passed when. */
    GW_LIMIT_SLIDING_WINDOW,
    /* The same estimated from two counters: what passed in the window before is taken as spread
     * evenly over it. With steady traffic that is off by a few per cent; at worst, when all of it
     * came at one end of that window, by the limit itself. */
    GW_LIMIT_SLIDING_APPROXIMATE,
    GW_LIMIT_ALGORITHMS,
};

enum gw_limit_align {
    GW_LIMIT_BY_CLOCK,     /* windows begin at multiples of their length since 1970, UTC */
    GW_LIMIT_BY_FIRST_USE, /* a window begins with what passes first */
    GW_LIMIT_BY_DAY,       /* UTC */
    GW_LIMIT_BY_WEEK,      /* from Monday on */
    GW_LIMIT_BY_MONTH,
    GW_LIMIT_BY_YEAR,
    GW_LIMIT_ALIGNMENTS,
};

enum {
    GW_LIMIT_ASKS_MAX = 8,   /* in one decision */
    GW_LIMIT_LOG_MAX = 5000, /* the largest limit of an exact sliding window */
    GW_LIMIT_MICRO = 1000000,
};

/* The numbers of a rule, as people write them. */
struct gw_limit_terms {
    int algorithm;    /* enum gw_limit_algorithm */
    int align;        /* enum gw_limit_align; of fixed windows */
    double limit;     /* capacity, places in the queue, or how much a window */
    double rate;      /* a second; of the buckets */
    double window;    /* seconds; of windows that no calendar makes */
    const char *name; /* tells rules apart that count the same keys the same way; may be NULL */
};

/* The same, to decide by. */
struct gw_limit_rule {
    uint64_t id; /* of algorithm, window and name: another limit goes on where this one was */
    int algorithm, align;
    int64_t limit_micro;
    uint64_t rate_micro; /* millionths a second */
    uint64_t window_us;
    uint32_t log_max; /* entries of an exact sliding window */
};

/* NULL, or what is wrong with the terms. */
const char *gw_limit_rule_init(struct gw_limit_rule *rule, const struct gw_limit_terms *terms);

/* When the fixed window ends that `now_us` lies in; one by first use would begin now. */
uint64_t gw_limit_window_end(const struct gw_limit_rule *rule, uint64_t now_us);

struct gw_limit_ask {
    struct gw_slice key;
    const struct gw_limit_rule *rule;
    double cost; /* 0 or more */
};

struct gw_limit_answer {
    bool allowed;            /* by this rule alone */
    double limit, remaining; /* what may pass at once, and what of it is left */
    uint64_t reset_us;       /* until all of it is there again; windows: until this one ends */
    uint64_t retry_us;       /* until the cost may pass; 0 when it may, UINT64_MAX: never */
};

/* Its options are a pointer to a size_t, the most bytes it may have. */
extern const struct gw_zone_kind gw_limit_table_kind;

#define GW_LIMIT_MIN_BYTES (64 * 1024)

struct gw_limit_table *gw_limit_table_of_zone(struct gw_zone *zone);

/* Without a registry, for specs. */
struct gw_limit_table *gw_limit_table_new(size_t max_bytes);
void gw_limit_table_free(struct gw_limit_table *limits);

/* Whether all of them may pass; then each is charged, else none. `answers`: as many as asks, 1 …
 * GW_LIMIT_ASKS_MAX. Asks for the same cell add up. */
bool gw_limit_take(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                   uint64_t now_us, struct gw_limit_answer *answers);

/* The same answers, and nothing is charged or remembered. */
bool gw_limit_look(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                   uint64_t now_us, struct gw_limit_answer *answers);

/* Charges the cost whether there is room or not (what is owed must come back first), or gives back
 * when it is below 0: what turned out to cost more or less than was taken. */
void gw_limit_adjust(struct gw_limit_table *limits, const struct gw_limit_ask *ask, uint64_t now_us,
                     struct gw_limit_answer *answer);

/* Forgets what the rule counted of that key. */
void gw_limit_forget(struct gw_limit_table *limits, struct gw_slice key,
                     const struct gw_limit_rule *rule);

/* The most entries that one exact sliding window may have there; beyond it neighbours become one,
 * as of the later: it never lets more pass for that. */
uint32_t gw_limit_log_max(const struct gw_limit_table *limits);

void gw_limit_table_stats(struct gw_limit_table *limits, struct gw_zone_stats *stats);
