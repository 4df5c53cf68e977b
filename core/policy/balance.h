#pragma once
/* Which target gets the next request. Pure policy over a table of weights and what is known of the
 * targets' load: no I/O, no clock. Each worker has its own state for each target set; only the
 * loads are shared.
 *
 * Every algorithm chooses among *candidates*: the targets of the best priority that may be used.
 * They are counted anew when something changed, not at every pick.
 *
 * To add an algorithm: write balance_<name>.c with one `struct gw_balance_algorithm`, and add its
 * name to the list below and to ALGORITHMS in lua/moongate/config/balancing.lua. */
#include "base/random.h"
#include "base/slice.h"
#include "policy/vitals.h"

/* The first one is the default. */
#define GW_BALANCE_ALGORITHMS(X)                                                                   \
    X(round_robin) X(least_connections) X(consistent_hashing) X(latency) X(random)

struct gw_balance_rules {
    double bias;              /* least-connections: weight / (active + 1)^bias */
    uint64_t decay_us;        /* latency: how fast old news fade */
    uint32_t hash_slots;      /* size of the table of hashing, rounded up to a prime */
    uint32_t hash_factor;     /* no target gets more than so many percent of its share of what is
                                  on its way; 0: no bound. Else at least 100 */
    uint32_t panic_threshold; /* below so many percent of usable weight health is not looked at */
    bool fail_on_panic;       /* … or nothing is chosen */
    uint64_t slow_start_us;   /* 0: none */
    double aggression;        /* of slow start: t^(1/aggression) */
    uint32_t least_share;     /* of slow start, of 1024 */
};

/* bias 1, decay 10 s, 65536 slots, no bound, no panic, no slow start (if: straight, from 10 %). */
extern const struct gw_balance_rules gw_balance_defaults;

struct gw_balance_slot {
    uint32_t weight;   /* 0: gets nothing. Set before init, like all but the last two */
    uint32_t priority; /* lower ones first: the others are backups */
    uint64_t id;       /* of hashing: the same wherever the target stands */
    const struct gw_vitals *vitals; /* borrowed; NULL: nothing is known */
    bool down;                      /* takes no part; after a change call gw_balance_changed() */
    bool candidate;                 /* written by the balance, as what follows */
    int64_t credit;                 /* of round-robin: how far it is ahead of its share */
};

enum gw_balance_why {
    GW_BALANCE_CHOSEN, /* as the algorithm wants it */
    GW_BALANCE_BACKUP, /* no better priority had enough that may be used */
    GW_BALANCE_PANIC,  /* too few may be used: chosen among all */
    GW_BALANCE_MOVED,  /* of hashing: the key's own target is not there, or has too much to do */
    GW_BALANCE_AGAIN,  /* everything was tried: one of them once more */
    GW_BALANCE_NONE,   /* no target, or none that may be used */
};

struct gw_balance {
    const struct gw_balance_algorithm *algorithm;
    struct gw_balance_rules rules;
    struct gw_balance_slot *slots; /* borrowed from the caller, as long as the balance is used */
    unsigned count;
    struct gw_random random; /* its own; of round-robin without: zeros */
    bool random_start;
    bool any_vitals;

    bool changed;            /* candidates must be counted again … */
    uint64_t changes_at_us;  /* … and at this time; 0: never by itself */
    enum gw_balance_why why; /* what holds for all candidates: CHOSEN, BACKUP, PANIC, NONE */
    unsigned *candidates;    /* owned; indices */
    uint64_t *weights_until; /* owned; sum of the candidates' weights up to each */
    unsigned candidate_count;
    uint16_t *table; /* owned; of hashing */
    unsigned table_size;
};

/* What a pick may look at. */
struct gw_balance_ask {
    const bool *tried; /* one for each slot, true: not again if another is there. NULL: none */
    uint64_t now_us;
    uint64_t hash; /* of the request's key */
    bool hashed;   /* there is a key; without one hashing picks by weight at random */
    bool stays;    /* `stuck` is picked as long as it is a candidate and was not tried */
    unsigned stuck;
};

struct gw_balance_algorithm {
    const char *name;                            /* as in the configuration */
    void (*start)(struct gw_balance *balance);   /* once; NULL: nothing to do */
    void (*changed)(struct gw_balance *balance); /* there are other candidates; NULL as above */
    int (*pick)(struct gw_balance *balance, const struct gw_balance_ask *ask); /* -1: all tried */
};

/* NULL when there is no algorithm of that name; the empty name is the default, "round-robin". */
const struct gw_balance_algorithm *gw_balance_find(struct gw_slice name);

/* Starts at a random place, so that workers which start together do not all pick the first target.
 * `random` NULL: at the beginning. `rules` NULL: the defaults. */
void gw_balance_init(struct gw_balance *balance, const struct gw_balance_algorithm *algorithm,
                     const struct gw_balance_rules *rules, struct gw_balance_slot *slots,
                     unsigned count, struct gw_random *random);
void gw_balance_deinit(struct gw_balance *balance);

/* A slot went down or came up, or a load's health changed. What ends by time is noticed anyway. */
void gw_balance_changed(struct gw_balance *balance);

/* The index of a slot, or -1 when none may be used. `ask` may be NULL. When all that are left were
 * tried already, one of them is picked again. `why` may be NULL. */
int gw_balance_pick(struct gw_balance *balance, const struct gw_balance_ask *ask,
                    enum gw_balance_why *why);

const char *gw_balance_why_text(enum gw_balance_why why); /* "chosen", "panic", … */

/* ── for algorithms ────────────────────────────────────────────────────────────── */

/* The share of its weight that a slot gets now, of 1024. */
unsigned gw_balance_share(const struct gw_balance *balance, unsigned index, uint64_t now_us);

/* A candidate by chance, in proportion to the weights (and shares), but not `other` and none tried;
 * `settled`: none in slow start, where there is another. -1: there is none. */
int gw_balance_draw(struct gw_balance *balance, const struct gw_balance_ask *ask, int other,
                    bool settled);

static inline unsigned gw_balance_active(const struct gw_balance *balance, int index)
{
    const struct gw_vitals *vitals = balance->slots[index].vitals;

    return vitals ? atomic_load_explicit(&vitals->active, memory_order_relaxed) : 0;
}

/* The seat of a hash in Maglev's table (65537 seats unless said otherwise); the table is owned by
 * the caller. Slots without weight get none. */
uint16_t *gw_maglev_new(const struct gw_balance_slot *slots, unsigned count, unsigned size);
unsigned gw_maglev_size(unsigned at_least); /* the next prime */

#define X(name) extern const struct gw_balance_algorithm gw_balance_##name;
GW_BALANCE_ALGORITHMS(X)
#undef X
