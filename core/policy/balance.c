/* What all algorithms have in common: who the candidates are, drawing one by weight, and what
 * happens when everybody was tried. */
#include "policy/balance.h"

#include "base/alloc.h"
#include "base/check.h"

static const struct gw_balance_algorithm *const algorithms[] = {
#define X(name) &gw_balance_##name,
    GW_BALANCE_ALGORITHMS(X)
#undef X
};

const struct gw_balance_rules gw_balance_defaults = {
    .bias = 1,
    .decay_us = 10000000,
    .hash_slots = 65536,
    .aggression = 1,
    .least_share = 102,
};

const struct gw_balance_algorithm *gw_balance_find(struct gw_slice name)
{
    if (name.len == 0)
        return algorithms[0];
    for (size_t i = 0; i < GW_ARRAY_LEN(algorithms); i++) {
        if (gw_slice_equal(name, gw_slice_from(algorithms[i]->name)))
            return algorithms[i];
    }
    return NULL;
}

void gw_balance_init(struct gw_balance *balance, const struct gw_balance_algorithm *algorithm,
                     const struct gw_balance_rules *rules, struct gw_balance_slot *slots,
                     unsigned count, struct gw_random *random)
{
    *balance = (struct gw_balance){
        .algorithm = algorithm,
        .rules = rules ? *rules : gw_balance_defaults,
        .slots = slots,
        .count = count,
        .random_start = random != NULL,
        .changed = true,
        .why = GW_BALANCE_NONE,
    };
    gw_random_seed(&balance->random, random ? gw_random_next(random) : 1);
    for (unsigned i = 0; i < count; i++)
        balance->any_vitals = balance->any_vitals || slots[i].vitals;
    if (count) {
        balance->candidates = gw_alloc_zero(count * sizeof(*balance->candidates));
        balance->weights_until = gw_alloc_zero(count * sizeof(*balance->weights_until));
    }
    if (algorithm->start)
        algorithm->start(balance);
}

void gw_balance_deinit(struct gw_balance *balance)
{
    gw_free(balance->candidates);
    gw_free(balance->weights_until);
    gw_free(balance->table);
    balance->candidates = NULL;
    balance->weights_until = NULL;
    balance->table = NULL;
}

void gw_balance_changed(struct gw_balance *balance)
{
    balance->changed = true;
}

/* ── who the candidates are ────────────────────────────────────────────────── */

/* Takes part at all, healthy or not. */
static bool has_part(const struct gw_balance_slot *slot)
{
    return slot->weight > 0 && !(slot->vitals && gw_health_unchecked(&slot->vitals->health));
}

static bool is_usable(const struct gw_balance_slot *slot, uint64_t now_us)
{
    return slot->weight > 0 && !slot->down &&
           (!slot->vitals || gw_vitals_usable(slot->vitals, now_us));
}

/* The next priority above `above` (-1: the first one), or -1. */
static int64_t next_priority(const struct gw_balance *balance, int64_t above)
{
    int64_t best = -1;

    for (unsigned i = 0; i < balance->count; i++) {
        int64_t priority = balance->slots[i].priority;

        if (balance->slots[i].weight && priority > above && (best < 0 || priority < best))
            best = priority;
    }
    return best;
}

static bool has_enough(const struct gw_balance *balance, int64_t priority, uint64_t now_us)
{
    uint64_t all = 0, usable = 0;

    for (unsigned i = 0; i < balance->count; i++) {
        const struct gw_balance_slot *slot = &balance->slots[i];

        if (slot->priority != priority || !has_part(slot))
            continue;
        all += slot->weight;
        usable += is_usable(slot, now_us) ? slot->weight : 0;
    }
    return usable > 0 && usable * 100 >= all * balance->rules.panic_threshold;
}

/* Makes the usable ones of a priority the candidates, or everything that has a weight (priority
 * -1). True when they are others than before. */
static bool gather(struct gw_balance *balance, int64_t priority, uint64_t now_us)
{
    bool others = false;
    uint64_t sum = 0;

    balance->candidate_count = 0;
    for (unsigned i = 0; i < balance->count; i++) {
        struct gw_balance_slot *slot = &balance->slots[i];
        bool candidate =
            priority < 0 ? has_part(slot) : slot->priority == priority && is_usable(slot, now_us);

        others = others || candidate != slot->candidate;
        slot->candidate = candidate;
        if (!candidate)
            continue;
        sum += slot->weight;
        balance->candidates[balance->candidate_count] = i;
        balance->weights_until[balance->candidate_count++] = sum;
    }
    return others;
}

static void forget_candidates(struct gw_balance *balance)
{
    for (unsigned i = 0; i < balance->count; i++)
        balance->slots[i].candidate = false;
    balance->candidate_count = 0;
    balance->why = GW_BALANCE_NONE;
}

/* When an ejection ends by itself. */
static uint64_t next_return(const struct gw_balance *balance, uint64_t now_us)
{
    uint64_t next = 0;

    for (unsigned i = 0; i < balance->count; i++) {
        const struct gw_vitals *vitals = balance->slots[i].vitals;
        uint64_t until =
            vitals ? atomic_load_explicit(&vitals->ejection.until_us, memory_order_relaxed) : 0;

        if (until > now_us && (next == 0 || until < next))
            next = until;
    }
    return next;
}

static void count_candidates(struct gw_balance *balance, uint64_t now_us)
{
    int64_t first = next_priority(balance, -1), priority = first;

    balance->changed = false;
    balance->changes_at_us = balance->any_vitals ? next_return(balance, now_us) : 0;
    while (priority >= 0 && !has_enough(balance, priority, now_us))
        priority = next_priority(balance, priority);

    bool panic = priority < 0 && first >= 0 && balance->rules.panic_threshold > 0;

    if (priority < 0 && (!panic || balance->rules.fail_on_panic)) {
        forget_candidates(balance);
        return;
    }
    balance->why = panic              ? GW_BALANCE_PANIC
                   : priority > first ? GW_BALANCE_BACKUP
                                      : GW_BALANCE_CHOSEN;
    if (gather(balance, priority, now_us) && balance->algorithm->changed)
        balance->algorithm->changed(balance);
}

/* ── picking ───────────────────────────────────────────────────────────────── */

/* One outside of the candidates that was not tried yet: a backup is better than the same again. */
static int untried(const struct gw_balance *balance, const struct gw_balance_ask *ask)
{
    int best = -1;

    for (unsigned i = 0; i < balance->count; i++) {
        const struct gw_balance_slot *slot = &balance->slots[i];

        if (ask->tried[i] || !is_usable(slot, ask->now_us))
            continue;
        if (best < 0 || slot->priority < balance->slots[best].priority)
            best = (int)i;
    }
    return best;
}

static bool may_draw(const struct gw_balance_ask *ask, unsigned index, int other)
{
    return (int)index != other && !(ask->tried && ask->tried[index]);
}

static int pick_again(struct gw_balance *balance, const struct gw_balance_ask *ask,
                      enum gw_balance_why *why)
{
    struct gw_balance_ask anything = *ask;
    int picked = untried(balance, ask);

    *why = GW_BALANCE_BACKUP;
    if (picked >= 0)
        return picked;
    *why = GW_BALANCE_AGAIN;
    anything.tried = NULL;
    return balance->algorithm->pick(balance, &anything);
}

/* Hashing alone leaves its first choice: then the request is on a target that is not its own. */
static enum gw_balance_why why_this(const struct gw_balance *balance,
                                    const struct gw_balance_ask *ask, int picked)
{
    if (balance->why == GW_BALANCE_CHOSEN && balance->table && ask->hashed &&
        balance->table[ask->hash % balance->table_size] != picked)
        return GW_BALANCE_MOVED;
    return balance->why;
}

int gw_balance_pick(struct gw_balance *balance, const struct gw_balance_ask *ask,
                    enum gw_balance_why *why)
{
    static const struct gw_balance_ask nothing;
    enum gw_balance_why unused;

    ask = ask ? ask : &nothing;
    why = why ? why : &unused;
    if (balance->changed || (balance->changes_at_us && ask->now_us >= balance->changes_at_us))
        count_candidates(balance, ask->now_us);
    *why = balance->why;
    if (balance->candidate_count == 0)
        return -1;
    if (ask->stays && may_draw(ask, ask->stuck, -1) && balance->slots[ask->stuck].candidate)
        return (int)ask->stuck;

    int picked = balance->algorithm->pick(balance, ask);

    if (picked < 0)
        return pick_again(balance, ask, why);
    *why = why_this(balance, ask, picked);
    return picked;
}

const char *gw_balance_why_text(enum gw_balance_why why)
{
    static const char *const texts[] = {
        [GW_BALANCE_CHOSEN] = "chosen", [GW_BALANCE_BACKUP] = "backup",
        [GW_BALANCE_PANIC] = "panic",   [GW_BALANCE_MOVED] = "moved",
        [GW_BALANCE_AGAIN] = "again",   [GW_BALANCE_NONE] = "none",
    };

    return texts[why];
}

/* ── for algorithms ────────────────────────────────────────────────────────── */

unsigned gw_balance_share(const struct gw_balance *balance, unsigned index, uint64_t now_us)
{
    const struct gw_balance_rules *rules = &balance->rules;
    const struct gw_vitals *vitals = balance->slots[index].vitals;

    if (!vitals || rules->slow_start_us == 0)
        return 1024;
    return gw_vitals_share(vitals, rules->slow_start_us, rules->aggression, rules->least_share,
                           now_us);
}

/* The candidate whose stretch of the weights' sum a random point falls into. */
static unsigned draw_by_weight(struct gw_balance *balance)
{
    unsigned low = 0, high = balance->candidate_count - 1;
    uint64_t point = gw_random_below(&balance->random, balance->weights_until[high]);

    while (low < high) {
        unsigned middle = low + (high - low) / 2;

        if (point < balance->weights_until[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return balance->candidates[low];
}

/* In slow start a candidate is passed over as often as its share is missing; a second choice (one
 * that is compared with a first) must be settled, because it would be chosen beyond its share. */
static bool is_due(struct gw_balance *balance, unsigned index, uint64_t now_us, bool settled)
{
    unsigned share = gw_balance_share(balance, index, now_us);

    if (share >= 1024)
        return true;
    return !settled && gw_random_below(&balance->random, 1024) < share;
}

int gw_balance_draw(struct gw_balance *balance, const struct gw_balance_ask *ask, int other,
                    bool settled)
{
    const unsigned most_tries = 32;

    for (unsigned i = 0; i < most_tries; i++) {
        unsigned index = draw_by_weight(balance);

        if (may_draw(ask, index, other) && is_due(balance, index, ask->now_us, settled))
            return (int)index;
    }
    unsigned from = (unsigned)gw_random_below(&balance->random, balance->candidate_count);

    for (unsigned i = 0; i < balance->candidate_count; i++) {
        unsigned index = balance->candidates[(from + i) % balance->candidate_count];

        if (may_draw(ask, index, other))
            return (int)index;
    }
    return -1;
}
