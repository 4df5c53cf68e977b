#pragma once
/* When a failed try is followed by another, how long after it, and how many of them an upstream
 * bears. Pure policy: what failed, and the time, are told.
 *
 * The budget keeps retries from making an outage worse: within the last ten seconds there may be so
 * many retries for every request, or `budget_min`, whichever is more. It counts what began and not
 * what is on its way, because of a service that fails at once hardly anything ever is. One of them
 * serves all workers, without a lock; a race between two refuses one too many, never one too few.
 */
#include "base/random.h"

#ifndef GW_CDEF
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#endif

#define GW_RETRY_BUCKETS 10 /* of one second */

/* What a try can fail of; a set of bits. */
enum gw_retry_on {
    GW_RETRY_ON_CONNECT = 1, /* no connection: nothing was sent */
    GW_RETRY_ON_REFUSED = 2, /* the server said that it did not begin */
    GW_RETRY_ON_RESET = 4,   /* the connection broke before the answer began */
    GW_RETRY_ON_TIMEOUT = 8, /* no answer within per_try_timeout, or it stopped reading */
    GW_RETRY_ON_STATUS = 16, /* the answer's status is one of the list */
};

struct gw_retry_rules {
    unsigned on;                 /* enum gw_retry_on */
    uint64_t per_try_timeout_us; /* 0: none */
    uint64_t backoff_base_us;    /* 0: at once */
    uint64_t backoff_max_us;
    uint64_t retry_after_max_us; /* a service that asks for more is not asked again */
    double budget_ratio;         /* retries for each request */
    uint32_t budget_min;         /* … but so many at least */
};

/* On connect, refused, reset and status; 25 ms doubling to 250 ms; Retry-After up to 5 s; a fifth
 * of the requests, or 3. */
extern const struct gw_retry_rules gw_retry_defaults;

/* How long to wait before the `nth` retry (from 1): anything from nothing to base * 2^(nth-1), and
 * at most the maximum. All of the wait is by chance ("full jitter"), so that what failed together
 * does not come back together. */
uint64_t gw_retry_backoff_us(const struct gw_retry_rules *rules, unsigned nth,
                             struct gw_random *random);

struct gw_retry_budget {
    atomic_ullong buckets[GW_RETRY_BUCKETS]; /* requests and retries of a second; packed */
    atomic_ullong refused;                   /* retries there was no room for, since the start */
};

/* A request began: its first try. */
void gw_retry_budget_note(struct gw_retry_budget *budget, uint64_t now_us);

/* True: there is room for a retry, and it is counted. */
bool gw_retry_budget_take(struct gw_retry_budget *budget, const struct gw_retry_rules *rules,
                          uint64_t now_us);

/* What happened within the last ten seconds. */
struct gw_retry_look {
    uint64_t requests, retries, refused;
};
struct gw_retry_look gw_retry_budget_look(const struct gw_retry_budget *budget, uint64_t now_us);
