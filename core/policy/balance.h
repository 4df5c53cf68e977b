#pragma once
/* Which target gets the next request. Pure policy over a table of weights: no I/O, no clock, no
 * sharing; each worker has its own state for each target set.
 *
 * To add an algorithm: write balance_<name>.c with one `struct gw_balance_algorithm`, and add its
 * name to the list below and to ALGORITHMS in lua/moongate/config/entities.lua. */
#include "base/random.h"
#include "base/slice.h"

/* The first one is the default. */
#define GW_BALANCE_ALGORITHMS(X) X(round_robin)

struct gw_balance_slot {
    uint32_t weight; /* 0: gets nothing. Set before init */
    bool down;       /* takes no part for now; may change between picks */
    int64_t credit;  /* of round-robin: how far it is ahead of its share */
};

struct gw_balance {
    const struct gw_balance_algorithm *algorithm;
    struct gw_balance_slot *slots; /* borrowed from the caller, as long as the balance is used */
    unsigned count;
    uint64_t salt;       /* of round-robin: where its order begins */
    uint64_t weights_up; /* of round-robin: to notice that slots went down or came back */
};

/* What a pick may look at. */
struct gw_balance_ask {
    const bool *tried; /* one for each slot, true: not again if another is there. NULL: none */
};

struct gw_balance_algorithm {
    const char *name; /* as in the configuration */
    void (*start)(struct gw_balance *balance, struct gw_random *random);
    int (*pick)(struct gw_balance *balance, const struct gw_balance_ask *ask);
};

/* NULL when there is no algorithm of that name; the empty name is the default, "round-robin". */
const struct gw_balance_algorithm *gw_balance_find(struct gw_slice name);

/* Starts at a random place, so that workers which start together do not all pick the first target.
 * `random` NULL: at the beginning. */
void gw_balance_init(struct gw_balance *balance, const struct gw_balance_algorithm *algorithm,
                     struct gw_balance_slot *slots, unsigned count, struct gw_random *random);

/* The index of a slot, or -1 when none has a weight and is up. `ask` may be NULL. When all that are
 * left were tried already, one of them is picked again. */
int gw_balance_pick(struct gw_balance *balance, const struct gw_balance_ask *ask);

#define X(name) extern const struct gw_balance_algorithm gw_balance_##name;
GW_BALANCE_ALGORITHMS(X)
#undef X
