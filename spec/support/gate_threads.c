/* Threads that all pass through the same few gates: they queue, hold, wait, leave early and look at
 * odd moments. No more are ever inside than may be, and at the end nobody is. */
#include "base/check.h"
#include "base/random.h"
#include "policy/gates.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#define THREADS 4
#define KEYS 3
#define LIMIT 2

struct gate_walker {
    struct gw_gates *gates;
    atomic_ulong *clock;
    atomic_int *inside;
    atomic_int *broken;
    struct gw_random random;
    unsigned times;
    pthread_t thread;
};

struct walk {
    struct gw_ticket ticket;
    atomic_int tells;
};

struct gw_spec_gate_sums {
    unsigned broken, waiting, active;
    double gates, passed, left, refused;
};

void gw_spec_gate_race(unsigned times, struct gw_spec_gate_sums *sums);
void gw_spec_gate_tell(struct gw_ticket *ticket);

/* For specs that look by themselves. */
void gw_spec_gate_tell(struct gw_ticket *ticket)
{
    (void)ticket;
}

static void on_tell(struct gw_ticket *ticket)
{
    atomic_fetch_add(&container_of(ticket, struct walk, ticket)->tells, 1);
}

static uint64_t now(struct gate_walker *walker)
{
    return 1000000 + atomic_fetch_add(walker->clock, 1 + gw_random_below(&walker->random, 5));
}

/* Until it passed (true) or does not want to any more. */
static bool wait_for(struct gate_walker *walker, struct walk *walk)
{
    uint64_t patience = gw_random_below(&walker->random, 400), wait_us;

    for (uint64_t i = 0; i < patience; i++) {
        sched_yield();

        bool told = atomic_load(&walk->tells) > 0;

        if (told)
            atomic_fetch_sub(&walk->tells, 1);
        if ((told || i % 7 == 0) && gw_ticket_look(&walk->ticket, told, now(walker), &wait_us))
            return true;
    }
    gw_ticket_cancel(&walk->ticket, now(walker));
    return false;
}

static void hold(struct gate_walker *walker, unsigned key, struct gw_slice name)
{
    struct walk walk = { .ticket.tell = on_tell };
    struct gw_gate_answer answer;
    enum gw_gate_result result =
        gw_gates_hold(walker->gates, name, LIMIT, 1, now(walker), &walk.ticket, &answer);

    if (result == GW_GATE_WAITS && wait_for(walker, &walk))
        result = GW_GATE_PASSED;
    if (result != GW_GATE_PASSED)
        return;
    if (atomic_fetch_add(&walker->inside[key], 1) >= LIMIT)
        atomic_fetch_add(walker->broken, 1);
    sched_yield();
    atomic_fetch_sub(&walker->inside[key], 1);
    gw_gate_leave(walk.ticket.gate, now(walker));
}

static void queue(struct gate_walker *walker, struct gw_slice name)
{
    struct walk walk = { .ticket.tell = on_tell };
    struct gw_gate_answer answer;

    if (gw_gates_queue(walker->gates, 0, name, 50000, 2, 1, now(walker), &walk.ticket, &answer) ==
        GW_GATE_WAITS)
        wait_for(walker, &walk);
}

static void *walk_about(void *arg)
{
    struct gate_walker *walker = arg;

    for (unsigned i = 0; i < walker->times; i++) {
        unsigned key = (unsigned)gw_random_below(&walker->random, KEYS);
        char name[2] = { (char)('a' + key), '\0' };

        if (gw_random_below(&walker->random, 2))
            hold(walker, key, gw_slice(name, 1));
        else
            queue(walker, gw_slice(name, 1));
    }
    return NULL;
}

void gw_spec_gate_race(unsigned times, struct gw_spec_gate_sums *sums)
{
    struct gate_walker walkers[THREADS];
    atomic_int inside[KEYS] = { 0 }, broken = 0;
    atomic_ulong clock = 0;
    struct gw_gates *gates = gw_gates_new(GW_GATES_BYTES);
    struct gw_gates_stats stats;

    for (unsigned i = 0; i < THREADS; i++) {
        walkers[i] = (struct gate_walker){ gates, &clock, inside, &broken, { { 0 } }, times, 0 };
        gw_random_seed(&walkers[i].random, i + 1);
        GW_ASSERT(pthread_create(&walkers[i].thread, NULL, walk_about, &walkers[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(walkers[i].thread, NULL);
    gw_gates_stats(gates, &stats);
    gw_gates_free(gates);
    *sums = (struct gw_spec_gate_sums){
        (unsigned)broken,     stats.waiting,      stats.active,          (double)stats.gates,
        (double)stats.passed, (double)stats.left, (double)stats.refused,
    };
}
