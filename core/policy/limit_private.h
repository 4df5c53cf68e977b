#pragma once
/* What the files of the limits share. */
#include "base/check.h"
#include "base/siphash.h"
#include "policy/limit.h"

#include <assert.h>
#include <pthread.h>

/* Of buckets: millionths of millionths, so that a rate of millionths a second adds whole numbers
 * every microsecond. */
__extension__ typedef __int128 gw_limit_pico;

/* One that passed. Twelve bytes, so that five fit in a block; time modulo 2^48 µs, nine years. */
struct gw_limit_entry {
    uint32_t at_low, amount_low;
    uint16_t at_high, amount_high;
};

struct gw_limit_bucket {
    uint64_t level_low;
    int64_t level_high; /* of what is left; may be below 0 */
    uint64_t at_us;
};

struct gw_limit_window {
    uint64_t end_us; /* 0: none has begun */
    int64_t count_micro;
    int64_t before_micro; /* in the window before */
};

/* The oldest entry stands here, the others in a chain of blocks. */
struct gw_limit_log {
    int64_t sum_micro;
    struct gw_limit_entry first;
    uint16_t count;
    uint8_t head_at; /* the first entry of the first block */
    uint8_t tail_at; /* behind the last one of the last block */
};

/* A cell is one cache line. What says nothing any more after `settled_s` is no loss when it has to
 * leave. */
struct gw_limit_cell {
    struct gw_hash128 hash;
    uint32_t next;         /* of its bucket, or of the free ones; 0: none */
    uint32_t older, newer; /* by use */
    uint32_t settled_s;
    uint32_t head, tail; /* blocks of its log; 0: none */
    union {
        struct gw_limit_bucket bucket;
        struct gw_limit_window window;
        struct gw_limit_log log;
    };
};

#define GW_LIMIT_BLOCK_ENTRIES 5

struct gw_limit_block {
    uint32_t next;
    struct gw_limit_entry entries[GW_LIMIT_BLOCK_ENTRIES];
};

/* A stripe's memory is made of units, which are cells or blocks. The one with index 0 is none. */
union gw_limit_unit {
    struct gw_limit_cell cell;
    struct gw_limit_block block;
};

/* So much of a stripe may be one log: GW_LIMIT_ASKS_MAX of them leave room for others, so that what
 * has to leave is never part of the decision that needs the place. */
#define GW_LIMIT_LOG_PART 16

static_assert(sizeof(struct gw_limit_cell) == 64, "a cell is one cache line");
static_assert(sizeof(struct gw_limit_block) == 64, "a block is one cache line");

struct gw_limit_stripe {
    pthread_mutex_t lock;
    union gw_limit_unit *units;
    uint32_t *buckets;
    uint32_t mask;           /* buckets - 1 */
    uint32_t size;           /* units, with the one that is none */
    uint32_t fresh;          /* from here on they were never used */
    uint32_t free;           /* a chain of those given back */
    uint32_t oldest, newest; /* cells by use */
    uint32_t used, cells;    /* units, and those of them that are cells */
    uint32_t log_max;        /* entries of one log */
    uint64_t evicted;        /* before they had settled */
    char apart[64];          /* neighbours do not share a cache line */
};

struct gw_limit_table {
    struct gw_zone zone;
    struct gw_siphash_key secret;
    unsigned stripe_count; /* a power of two, for good */
    struct gw_limit_stripe *stripes;
    pthread_mutex_t resize;
    size_t max_bytes; /* as asked for; under `resize` */
};

/* Where an algorithm works: its cell, which may be one that is only looked at. */
struct gw_limit_place {
    struct gw_limit_table *limits;
    struct gw_limit_stripe *stripe;
    const struct gw_limit_rule *rule;
    struct gw_limit_cell *cell;
    uint64_t now_us;
};

/* What an algorithm is. `begin` makes a cell that nobody used yet; `advance` lets time pass in it;
 * after that the others may be called. */
struct gw_limit_algorithm_ops {
    void (*begin)(const struct gw_limit_place *place);
    void (*advance)(const struct gw_limit_place *place);
    /* What may pass now; below 0 when something is owed. */
    int64_t (*room)(const struct gw_limit_place *place);
    /* Below 0: gives back. */
    void (*charge)(const struct gw_limit_place *place, int64_t micro);
    uint64_t (*reset)(const struct gw_limit_place *place);
    /* For what finds no room now, though it would in an unused cell. */
    uint64_t (*retry)(const struct gw_limit_place *place, int64_t micro);
};

extern const struct gw_limit_algorithm_ops gw_limit_bucket_ops, gw_limit_window_ops,
    gw_limit_log_ops, gw_limit_estimate_ops;

/* What may pass at once in an unused cell. */
int64_t gw_limit_most(const struct gw_limit_rule *rule);

#define GW_LIMIT_AMOUNT_MAX INT64_C(1000000000000000000) /* millionths: a million millions */

#define GW_LIMIT_LOG_AMOUNT_MAX ((INT64_C(1) << 48) - 1) /* what all entries of a log may have */

static inline int64_t gw_limit_clamp(int64_t micro)
{
    if (micro > GW_LIMIT_AMOUNT_MAX)
        return GW_LIMIT_AMOUNT_MAX;
    return micro < -GW_LIMIT_AMOUNT_MAX ? -GW_LIMIT_AMOUNT_MAX : micro;
}

/* --- the table (limit_table.c), under the stripe's lock --- */

static inline struct gw_limit_stripe *gw_limit_stripe_of(const struct gw_limit_table *limits,
                                                         struct gw_hash128 hash)
{
    return &limits->stripes[(hash.high >> 32) & (limits->stripe_count - 1)];
}

/* NULL: there is none. */
struct gw_limit_cell *gw_limit_find(struct gw_limit_stripe *stripe, struct gw_hash128 hash);

/* It is the newest one now. */
void gw_limit_touch(struct gw_limit_stripe *stripe, struct gw_limit_cell *cell);

/* A cell without state, the newest one. */
struct gw_limit_cell *gw_limit_add(struct gw_limit_stripe *stripe, struct gw_hash128 hash,
                                   uint64_t now_us);
void gw_limit_drop(struct gw_limit_stripe *stripe, struct gw_limit_cell *cell);

/* A unit for the log of one of the newest cells. */
uint32_t gw_limit_unit_new(struct gw_limit_stripe *stripe, uint64_t now_us);
void gw_limit_unit_free(struct gw_limit_stripe *stripe, uint32_t unit);
