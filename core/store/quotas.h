#pragma once
/* What was used of quotas: fixed windows whose counts outlive the process. Decisions are made here,
 * in a table of bounded size that all workers share; the ledger (ledger.h) writes what changed into
 * its file and teaches the table what the file knows. A count that is not written yet never leaves
 * the table. When others have to leave, a key that is not here may stand in the file: then the
 * answer is *unknown*, and who asks has the ledger load it first.
 *
 * Amounts are millionths, times those of gw_clock_steady_us(), as in policy/limit.h. From any
 * thread. */
#include "base/siphash.h"
#include "policy/limit.h"

struct gw_quotas;

enum gw_quotas_outcome {
    GW_QUOTAS_PASS,
    GW_QUOTAS_REFUSE,
    GW_QUOTAS_UNKNOWN, /* a key has to be loaded first, or room to be made; nothing was charged */
};

/* One key of one rule, as it is counted: the caller hashes. */
struct gw_quota_ask {
    struct gw_hash128 key;
    const struct gw_limit_rule *rule; /* a fixed window */
    double cost;
};

#define GW_QUOTAS_MIN_BYTES (64 * 1024)

/* `backed`: there is a file; else who has to leave is forgotten. */
struct gw_quotas *gw_quotas_new(size_t max_bytes, bool backed);
void gw_quotas_free(struct gw_quotas *quotas); /* NULL is fine */

/* Whether all of them may pass; then each is charged, else none. `answers`: as many as asks, 1 …
 * GW_LIMIT_ASKS_MAX. Asks for the same key add up. */
enum gw_quotas_outcome gw_quotas_take(struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers);

/* The same answers, and nothing is charged or remembered. */
enum gw_quotas_outcome gw_quotas_look(struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers);

/* Charges the cost whether there is room or not, or gives back when it is below 0. What the file
 * says of the key is added when the change is written. False: there is no room, it is lost. */
bool gw_quotas_adjust(struct gw_quotas *quotas, const struct gw_quota_ask *ask, uint64_t now_us,
                      struct gw_limit_answer *answer);

/* --- for the ledger, one thread at a time --- */

/* What a key used since it was written last. */
struct gw_quota_change {
    struct gw_hash128 key;
    uint64_t end_us; /* of its window */
    int64_t amount_micro;
    int64_t total_micro; /* in the file, once it is written */
};

/* Takes up to `max` changes, which are on their way until they are settled. */
size_t gw_quotas_collect(struct gw_quotas *quotas, uint64_t now_us, struct gw_quota_change *changes,
                         size_t max);

/* It was written, and the file says `total_micro`; or it was not, and is a change again. */
void gw_quotas_settle(struct gw_quotas *quotas, const struct gw_quota_change *change, bool written);

/* What the file says of a key. */
struct gw_quota_fact {
    struct gw_hash128 key;
    uint64_t end_us; /* 0: nothing */
    int64_t total_micro;
};

/* A key that is not here comes in where `adds`. False: there is no room for it. */
bool gw_quotas_learn(struct gw_quotas *quotas, const struct gw_quota_fact *fact, uint64_t now_us,
                     bool adds);

/* From now on a key that is not here may stand in the file. */
void gw_quotas_set_partial(struct gw_quotas *quotas);

struct gw_quotas_stats {
    uint64_t bytes, max_bytes;
    uint64_t entries;
    uint64_t evicted; /* left before their window ended; the file has them */
    uint64_t pending; /* changed, and not written yet */
    bool partial;
};
struct gw_quotas_stats gw_quotas_stats(struct gw_quotas *quotas);
