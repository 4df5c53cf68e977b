/* The same key, the same target (Maglev, Eisenbud et al. 2016). Every target lists the seats of a
 * table in an order of its own and they take seats in turn, as often as their weights say; a key
 * sits at hash % size. When a target is added or taken away, few seats change hands.
 *
 * The table holds all targets, usable or not: one that is down or has too much to do is walked
 * past, by a step that depends on the key, so its keys spread over all others and no other key
 * moves. The table is the same in every worker and every gateway with the same targets. */
#include "policy/balance.h"

#include "base/alloc.h"
#include "base/map.h"

#include <stdlib.h>

#define NOBODY UINT16_MAX

unsigned gw_maglev_size(unsigned at_least)
{
    for (unsigned size = at_least < 2 ? 2 : at_least;; size++) {
        unsigned divisor = 2;

        while (divisor * divisor <= size && size % divisor)
            divisor++;
        if (divisor * divisor > size)
            return size;
    }
}

/* ── the table ─────────────────────────────────────────────────────────────── */

struct taker {
    uint64_t id;
    uint64_t weight;
    uint64_t due; /* takes its next seat when round × weight reaches this */
    uint32_t seat, step;
    uint16_t index;
};

static int by_id(const void *a, const void *b)
{
    const struct taker *one = a, *two = b;

    if (one->id != two->id)
        return one->id < two->id ? -1 : 1;
    return one->index < two->index ? -1 : 1;
}

/* In the order of their ids, so that the order they come in does not matter. */
static unsigned line_up(struct taker *takers, const struct gw_balance_slot *slots, unsigned count,
                        unsigned size, uint64_t *heaviest)
{
    unsigned used = 0;

    *heaviest = 0;
    for (unsigned i = 0; i < count && i < NOBODY; i++) {
        uint64_t id = slots[i].id;

        if (slots[i].weight == 0)
            continue;
        takers[used++] = (struct taker){
            .id = id,
            .weight = slots[i].weight,
            .seat = (uint32_t)(gw_hash(1, &id, sizeof(id)) % size),
            .step = (uint32_t)(gw_hash(2, &id, sizeof(id)) % (size - 1)) + 1,
            .index = (uint16_t)i,
        };
        *heaviest = slots[i].weight > *heaviest ? slots[i].weight : *heaviest;
    }
    qsort(takers, used, sizeof(*takers), by_id);
    return used;
}

static void take_seat(struct taker *taker, uint16_t *table, unsigned size)
{
    while (table[taker->seat] != NOBODY)
        taker->seat = (taker->seat + taker->step) % size;
    table[taker->seat] = taker->index;
}

uint16_t *gw_maglev_new(const struct gw_balance_slot *slots, unsigned count, unsigned size)
{
    uint16_t *table = gw_alloc(size * sizeof(*table));
    struct taker *takers = gw_alloc_zero((count + 1) * sizeof(*takers));
    uint64_t heaviest;
    unsigned used = line_up(takers, slots, count, size, &heaviest);
    unsigned left = used ? size : 0;

    for (unsigned i = 0; i < size; i++)
        table[i] = NOBODY;
    for (uint64_t round = 1; left; round++) {
        for (unsigned i = 0; i < used && left; i++) {
            if (round * takers[i].weight < takers[i].due)
                continue;
            takers[i].due += heaviest;
            take_seat(&takers[i], table, size);
            left--;
        }
    }
    gw_free(takers);
    return table;
}

/* ── picking ───────────────────────────────────────────────────────────────── */

static void start(struct gw_balance *balance)
{
    balance->table_size = gw_maglev_size(balance->rules.hash_slots);
    balance->table = gw_maglev_new(balance->slots, balance->count, balance->table_size);
}

/* What all candidates have on their way, with the request that is asked for. */
static uint64_t count_active(const struct gw_balance *balance)
{
    uint64_t sum = 1;

    for (unsigned i = 0; i < balance->candidate_count; i++)
        sum += gw_balance_active(balance, (int)balance->candidates[i]);
    return sum;
}

/* At least one has room: the bounds together are no less than what is on its way. */
static bool has_room(const struct gw_balance *balance, unsigned index, uint64_t all_active)
{
    if (balance->rules.hash_factor == 0)
        return true;

    double sum = (double)balance->weights_until[balance->candidate_count - 1];
    double weight = balance->slots[index].weight;

    return gw_balance_active(balance, (int)index) * sum * 100 <
           (double)all_active * weight * balance->rules.hash_factor;
}

static bool may_take(const struct gw_balance *balance, const struct gw_balance_ask *ask,
                     unsigned index, uint64_t all_active)
{
    return index < balance->count && balance->slots[index].candidate &&
           !(ask->tried && ask->tried[index]) && has_room(balance, index, all_active);
}

/* Where walking did not find one soon: by order, from a place of the key's. */
static int search(const struct gw_balance *balance, const struct gw_balance_ask *ask,
                  uint64_t all_active)
{
    int any = -1;

    for (unsigned i = 0; i < balance->candidate_count; i++) {
        unsigned index =
            balance
                ->candidates[(ask->hash % balance->candidate_count + i) % balance->candidate_count];

        if (may_take(balance, ask, index, all_active))
            return (int)index;
        if (any < 0 && !(ask->tried && ask->tried[index]))
            any = (int)index;
    }
    return any;
}

static int pick(struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    if (!ask->hashed)
        return gw_balance_draw(balance, ask, -1, false);

    uint64_t all_active = balance->rules.hash_factor ? count_active(balance) : 0;
    unsigned size = balance->table_size;
    unsigned seat = (unsigned)(ask->hash % size);
    unsigned step = (unsigned)((ask->hash >> 32) % (size - 1)) + 1;
    unsigned most = 4 * balance->count + 16;

    for (unsigned i = 0; i < most && i < size; i++) {
        if (may_take(balance, ask, balance->table[seat], all_active))
            return balance->table[seat];
        seat = (seat + step) % size;
    }
    return search(balance, ask, all_active);
}

const struct gw_balance_algorithm gw_balance_consistent_hashing = {
    .name = "consistent-hashing",
    .start = start,
    .pick = pick,
};
