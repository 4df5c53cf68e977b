#pragma once
/* What keys wait at. A *gate* belongs to one key and lets through what comes with it: one after the
 * other at a rate (a queue), or so many at once (holds); or it is a bucket of bytes that several
 * streams share (policy/pace.h). Who finds no way through gets a *ticket* and waits, first come
 * first served, over all workers. A table of gates is a zone: shared by workers, kept over reloads.
 *
 * Keys are kept as hashes under a secret of the table. There are never more gates than its size
 * allows: one where nobody waits and nobody is inside may leave, those used the longest time ago
 * first; where all are in use a new key is refused. A gate takes the numbers of who came last, so
 * that a reload changes them for those who wait, too.
 *
 * Nothing here knows a loop: whom a ticket concerns is told through `tell`, under a lock, and looks
 * on its own thread. Every function may be called from any thread; the clocks of callers may differ
 * a little. */
#include "base/list.h"
#include "base/slice.h"
#include "policy/zone.h"
#ifndef GW_CDEF
#include <stdbool.h>
#include <stdint.h>
#endif

struct gw_gate;
struct gw_gates;

/* One who waits. Lives in its owner's memory, at one address, until gw_ticket_look() said that it
 * passed, or gw_ticket_cancel(); from then on nobody else touches it, but where `told` is set a
 * `tell` that was heard and not answered by a look is still on its way. */
struct gw_ticket {
    struct gw_list_node node; /* of its gate, while it waits */
    struct gw_gate *gate;
    /* It should be looked at. Called under the gate's lock from any thread, once until the next
     * look that says `told`. */
    void (*tell)(struct gw_ticket *ticket);
    double cost;
    uint64_t at_us; /* the instant at which it passed */
    bool passed, told;
};

enum gw_gate_result {
    GW_GATE_PASSED,
    GW_GATE_WAITS,
    GW_GATE_FULL,    /* too many wait already */
    GW_GATE_CROWDED, /* every gate of the table is in use */
};

struct gw_gate_answer {
    uint64_t wait_us;         /* queue: until its turn, or, when it is full, until there is room */
    unsigned waiting, active; /* with who asked */
};

/* Its options are a pointer to a size_t, the most bytes it may have. */
extern const struct gw_zone_kind gw_gates_kind;

#define GW_GATES_BYTES (16 * 1024 * 1024) /* where nobody says more: 65536 keys */

struct gw_gates *gw_gates_of_zone(struct gw_zone *zone);

/* Without a registry, for specs. */
struct gw_gates *gw_gates_new(size_t max_bytes);
void gw_gates_free(struct gw_gates *gates); /* it stays as long as a gate is in use */

/* --- a queue: each leaves it 1/rate after the one before, times its cost --- */

/* PASSED: at once. WAITS: the ticket (with `tell` set) is in the queue: the caller looks at it
 * after wait_us, and when it is told that something has changed. `most` may wait. `of`: whose queue
 * it is, of several that the same keys wait in. */
enum gw_gate_result gw_gates_queue(struct gw_gates *gates, uint64_t of, struct gw_slice key,
                                   double rate, unsigned most, double cost, uint64_t now_us,
                                   struct gw_ticket *ticket, struct gw_gate_answer *answer);

/* --- holds: at most `limit` at once --- */

/* PASSED: ticket->gate is to be given to gw_gate_leave(), once. WAITS: the same holds when it
 * passed. `most` may wait. */
enum gw_gate_result gw_gates_hold(struct gw_gates *gates, struct gw_slice key, unsigned limit,
                                  unsigned most, uint64_t now_us, struct gw_ticket *ticket,
                                  struct gw_gate_answer *answer);
void gw_gate_leave(struct gw_gate *gate, uint64_t now_us);

/* --- tickets --- */

/* True: it passed, and is over. Else *wait_us says when to look again; UINT64_MAX: when it is told.
 * `told`: `tell` has brought us here. */
bool gw_ticket_look(struct gw_ticket *ticket, bool told, uint64_t now_us, uint64_t *wait_us);

/* It does not want to pass any more; those behind it move up. A hold that it may have got meanwhile
 * is given back. */
void gw_ticket_cancel(struct gw_ticket *ticket, uint64_t now_us);

/* --- what several streams share: see policy/pace.h --- */

/* NULL: every gate is in use. Ends with gw_gate_leave(). */
struct gw_gate *gw_gates_share(struct gw_gates *gates, struct gw_slice key, uint64_t now_us);

struct gw_gates_stats {
    size_t bytes, max_bytes, gates;
    unsigned waiting, active;
    uint64_t passed, refused, left; /* left: gave up while they waited */
    uint64_t evicted;
};
void gw_gates_stats(struct gw_gates *gates, struct gw_gates_stats *stats);
