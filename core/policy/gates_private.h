#pragma once
/* What the files of gates share. */
#include "base/check.h"
#include "base/map.h"
#include "base/refs.h"
#include "base/siphash.h"
#include "policy/gates.h"

#include <pthread.h>

#define GW_GATES_STRIPES 16

enum gw_gate_kind {
    GW_GATE_QUEUE,
    GW_GATE_HOLDS,
    GW_GATE_SHARED,
};

struct gw_gate_stripe {
    pthread_mutex_t lock;
    struct gw_map gates;   /* struct gw_gate by its hash */
    struct gw_list unused; /* nobody waits or is inside; the last one was used last */
    unsigned waiting, active;
    uint64_t passed, refused, left, evicted;
    char apart[64]; /* neighbours do not share a cache line */
};

struct gw_gates {
    struct gw_zone zone;
    struct gw_refs refs; /* its owner, and each gate that is in use */
    struct gw_siphash_key secret;
    _Atomic size_t max_bytes;
    struct gw_gate_stripe stripes[GW_GATES_STRIPES];
};

struct gw_gate {
    struct gw_list_node node; /* of the stripe's unused ones */
    struct gw_gates *gates;
    struct gw_gate_stripe *stripe;
    struct gw_hash128 hash;
    struct gw_list tickets; /* struct gw_ticket; the first one is the next */
    unsigned waiting, active;
    unsigned unseen; /* passed while they waited, and were not looked at since */
    uint64_t used_us;
    /* Of a queue: who passed last, and when. Of what is shared: when its bucket was empty. */
    double rate, last_us, last_cost, ahead; /* ahead: the cost of all who wait */
    bool begun;                             /* something has passed */
    unsigned limit;                         /* of holds */
};

/* The gate of that key and of whose it is, with its stripe locked; NULL: every gate is in use. */
struct gw_gate *gw_gate_enter(struct gw_gates *gates, enum gw_gate_kind kind, uint64_t of,
                              struct gw_slice key, uint64_t now_us);

/* The same of one that is known and in use. */
void gw_gate_lock(struct gw_gate *gate, uint64_t now_us);

/* Unlocks the stripe. Where the gate is in use no more it may be gone afterwards, and the table
 * with it. */
void gw_gate_unlock(struct gw_gate *gate);
