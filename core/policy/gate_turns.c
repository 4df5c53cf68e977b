/* Whose turn it is. All of it under the gate's lock, and in order: whoever waits is ahead of
 * whoever comes. */
#include "policy/gates_private.h"

#include <math.h>

#define FAR_US 1e15 /* thirty years: rates may be tiny, and costs large */

static struct gw_ticket *first_of(const struct gw_gate *gate)
{
    struct gw_list_node *node = gw_list_first(&gate->tickets);

    return node ? container_of(node, struct gw_ticket, node) : NULL;
}

static void tell(struct gw_ticket *ticket)
{
    if (ticket->told)
        return;
    ticket->told = true;
    ticket->tell(ticket);
}

static void join(struct gw_gate *gate, struct gw_ticket *ticket)
{
    gw_list_append(&gate->tickets, &ticket->node);
    gate->waiting++;
    gate->stripe->waiting++;
    gate->ahead += ticket->cost;
}

static void part(struct gw_gate *gate, struct gw_ticket *ticket)
{
    gw_list_remove(&ticket->node);
    gate->stripe->waiting--;
    gate->ahead = --gate->waiting ? gate->ahead - ticket->cost : 0;
}

/* The gate stays until the one who waited has seen it. */
static void call(struct gw_gate *gate, struct gw_ticket *ticket)
{
    gate->unseen++;
    tell(ticket);
}

static void pass(struct gw_gate *gate, struct gw_ticket *ticket, uint64_t at_us)
{
    ticket->passed = true;
    ticket->at_us = at_us;
    gate->stripe->passed++;
}

static enum gw_gate_result refuse(struct gw_gate *gate)
{
    gate->stripe->refused++;
    return GW_GATE_FULL;
}

static void answer_of(const struct gw_gate *gate, struct gw_gate_answer *answer)
{
    answer->waiting = gate->waiting;
    answer->active = gate->active;
}

static struct gw_gate *ask(struct gw_gates *gates, enum gw_gate_kind kind, uint64_t of,
                           struct gw_slice key, uint64_t now_us, struct gw_ticket *ticket,
                           struct gw_gate_answer *answer)
{
    struct gw_gate *gate = gw_gate_enter(gates, kind, of, key, now_us);

    *answer = (struct gw_gate_answer){ 0 };
    ticket->gate = gate;
    ticket->passed = ticket->told = false;
    return gate;
}

/* ── a queue ───────────────────────────────────────────────────────────────── */

static double service_us(const struct gw_gate *gate, double cost)
{
    return cost * 1e6 / gate->rate;
}

/* When the next one may pass. */
static double free_us(const struct gw_gate *gate)
{
    return gate->begun ? gate->last_us + service_us(gate, gate->last_cost) : 0;
}

static void serve(struct gw_gate *gate, struct gw_ticket *ticket, double at_us)
{
    gate->begun = true;
    gate->last_us = at_us;
    gate->last_cost = ticket->cost;
    pass(gate, ticket, (uint64_t)at_us);
}

/* Those whose instant has come; each counts from its own, however late somebody looked. */
static void serve_due(struct gw_gate *gate, uint64_t now_us)
{
    bool moved = false;

    for (struct gw_ticket *ticket; (ticket = first_of(gate));) {
        double at_us = free_us(gate);

        if (at_us > (double)now_us)
            break;
        part(gate, ticket);
        serve(gate, ticket, at_us);
        call(gate, ticket);
        moved = true;
    }
    if (moved && first_of(gate))
        tell(first_of(gate));
}

static uint64_t until(double at_us, uint64_t now_us)
{
    double left_us = at_us - (double)now_us;

    if (left_us > FAR_US)
        return (uint64_t)FAR_US;
    return left_us > 0 ? (uint64_t)ceil(left_us) : 0;
}

static void take_rate(struct gw_gate *gate, double rate)
{
    bool other = gate->rate != rate;

    gate->rate = rate;
    if (other && first_of(gate))
        tell(first_of(gate));
}

static enum gw_gate_result queue_up(struct gw_gate *gate, unsigned most, uint64_t now_us,
                                    struct gw_ticket *ticket, struct gw_gate_answer *answer)
{
    double at_us = free_us(gate);

    if (!gate->waiting && at_us <= (double)now_us) {
        serve(gate, ticket, (double)now_us);
        return GW_GATE_PASSED;
    }
    if (gate->waiting >= most) {
        answer->wait_us = until(at_us, now_us);
        return refuse(gate);
    }
    answer->wait_us = until(at_us + service_us(gate, gate->ahead), now_us);
    join(gate, ticket);
    return GW_GATE_WAITS;
}

enum gw_gate_result gw_gates_queue(struct gw_gates *gates, uint64_t of, struct gw_slice key,
                                   double rate, unsigned most, double cost, uint64_t now_us,
                                   struct gw_ticket *ticket, struct gw_gate_answer *answer)
{
    struct gw_gate *gate = ask(gates, GW_GATE_QUEUE, of, key, now_us, ticket, answer);

    if (!gate)
        return GW_GATE_CROWDED;
    ticket->cost = cost;
    take_rate(gate, rate);
    serve_due(gate, now_us);

    enum gw_gate_result result = queue_up(gate, most, now_us, ticket, answer);

    answer_of(gate, answer);
    gw_gate_unlock(gate);
    return result;
}

/* ── holds ─────────────────────────────────────────────────────────────────── */

static void go_in(struct gw_gate *gate, struct gw_ticket *ticket, uint64_t now_us)
{
    gate->active++;
    gate->stripe->active++;
    pass(gate, ticket, now_us);
}

static void let_in(struct gw_gate *gate, uint64_t now_us)
{
    for (struct gw_ticket *ticket; gate->active < gate->limit && (ticket = first_of(gate));) {
        part(gate, ticket);
        go_in(gate, ticket, now_us);
        call(gate, ticket);
    }
}

static void go_out(struct gw_gate *gate, uint64_t now_us)
{
    gate->active--;
    gate->stripe->active--;
    if (gate->limit) /* of what is shared nobody waits for places */
        let_in(gate, now_us);
}

enum gw_gate_result gw_gates_hold(struct gw_gates *gates, struct gw_slice key, unsigned limit,
                                  unsigned most, uint64_t now_us, struct gw_ticket *ticket,
                                  struct gw_gate_answer *answer)
{
    struct gw_gate *gate = ask(gates, GW_GATE_HOLDS, 0, key, now_us, ticket, answer);
    enum gw_gate_result result = GW_GATE_PASSED;

    if (!gate)
        return GW_GATE_CROWDED;
    ticket->cost = 1;
    gate->limit = limit;
    let_in(gate, now_us);
    if (gate->active < limit) {
        go_in(gate, ticket, now_us);
    } else if (gate->waiting < most) {
        join(gate, ticket);
        result = GW_GATE_WAITS;
    } else {
        result = refuse(gate);
    }
    answer_of(gate, answer);
    gw_gate_unlock(gate);
    return result;
}

void gw_gate_leave(struct gw_gate *gate, uint64_t now_us)
{
    gw_gate_lock(gate, now_us);
    go_out(gate, now_us);
    gw_gate_unlock(gate);
}

struct gw_gate *gw_gates_share(struct gw_gates *gates, struct gw_slice key, uint64_t now_us)
{
    struct gw_gate *gate = gw_gate_enter(gates, GW_GATE_SHARED, 0, key, now_us);

    if (!gate)
        return NULL;
    gate->active++;
    gate->stripe->active++;
    gw_gate_unlock(gate);
    return gate;
}

/* ── tickets ───────────────────────────────────────────────────────────────── */

static uint64_t time_to_look(const struct gw_gate *gate, const struct gw_ticket *ticket,
                             uint64_t now_us)
{
    if (gate->limit || first_of(gate) != ticket)
        return UINT64_MAX;
    return until(free_us(gate), now_us);
}

bool gw_ticket_look(struct gw_ticket *ticket, bool told, uint64_t now_us, uint64_t *wait_us)
{
    struct gw_gate *gate = ticket->gate;

    gw_gate_lock(gate, now_us);

    bool on_its_way = ticket->told && !told;

    if (!gate->limit) {
        ticket->told = true; /* who looks need not be told */
        serve_due(gate, now_us);
    }
    ticket->told = on_its_way;

    bool passed = ticket->passed;

    *wait_us = passed ? 0 : time_to_look(gate, ticket, now_us);
    gate->unseen -= passed;
    gw_gate_unlock(gate);
    return passed;
}

void gw_ticket_cancel(struct gw_ticket *ticket, uint64_t now_us)
{
    struct gw_gate *gate = ticket->gate;

    gw_gate_lock(gate, now_us);
    gate->stripe->left++;
    if (ticket->passed) {
        gate->unseen--;
        if (gate->limit)
            go_out(gate, now_us);
    } else {
        bool was_first = first_of(gate) == ticket;

        part(gate, ticket);
        if (was_first && !gate->limit && first_of(gate))
            tell(first_of(gate));
    }
    gw_gate_unlock(gate);
}
