/* Cells of a fixed size in stripes, each with a lock, a hash index, a list by use and a list of
 * what changed. A cell is *dirty* while something of it is not written, *moving* while the ledger
 * writes it; neither leaves. */
#include "store/quotas.h"

#include "base/alloc.h"
#include "base/check.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define STRIPES_MAX 64
#define STRIPE_CELLS_MIN 128
#define EVICT_TRIES 8
#define NONE 0          /* index of no cell: the first of each stripe is not used */
#define LAG_US 10000000 /* how far callers' clocks may be apart */
#define COST_MOST 1e11  /* of one ask … */
#define TOTAL_MOST                                                                                 \
    INT64_C(4000000000000000000) /* … and counted at all, so that sums never overflow */

struct cell {
    struct gw_hash128 key;
    uint64_t end_us;       /* of its window; 0: free */
    int64_t total_micro;   /* what the file says, and all that was counted since */
    int64_t pending_micro; /* of it: not written yet … */
    int64_t moving_micro;  /* … and being written */
    uint32_t next;         /* of its bucket, or of the free ones */
    uint32_t older, newer; /* by use */
    uint32_t next_dirty;
    bool dirty;
    bool blind;     /* what the file says is not in it yet */
    uint8_t moving; /* changes on their way: a window may end while one is */
};

struct stripe {
    pthread_mutex_t lock;
    struct cell *cells;
    uint32_t *buckets;
    uint32_t oldest, newest, free, dirty;
    uint32_t entries;
    uint64_t evicted, pending;
};

struct gw_quotas {
    size_t max_bytes, bytes;
    uint32_t stripe_count; /* a power of two */
    uint32_t stripe_cells; /* in each, with the first */
    uint32_t bucket_mask;
    bool backed;
    atomic_bool partial;
    uint32_t collect_at; /* the stripe that gw_quotas_collect() looks at next */
    struct stripe stripes[STRIPES_MAX];
};

/* --- life --- */

static void init_stripe(struct gw_quotas *quotas, struct stripe *stripe)
{
    pthread_mutex_init(&stripe->lock, NULL);
    stripe->cells = gw_alloc_zero(quotas->stripe_cells * sizeof(stripe->cells[0]));
    stripe->buckets = gw_alloc_zero(((size_t)quotas->bucket_mask + 1) * sizeof(uint32_t));
    for (uint32_t i = quotas->stripe_cells - 1; i > 0; i--) {
        stripe->cells[i].next = stripe->free;
        stripe->free = i;
    }
}

struct gw_quotas *gw_quotas_new(size_t max_bytes, bool backed)
{
    struct gw_quotas *quotas = gw_alloc_zero(sizeof(*quotas));
    size_t cell = sizeof(struct cell) + 2 * sizeof(uint32_t); /* buckets are half to all as many */

    GW_ASSERT(max_bytes >= GW_QUOTAS_MIN_BYTES);
    size_t cells = (max_bytes - sizeof(*quotas)) / cell;

    quotas->max_bytes = max_bytes;
    quotas->backed = backed;
    quotas->stripe_count = STRIPES_MAX;
    while (quotas->stripe_count > 1 && cells / quotas->stripe_count < STRIPE_CELLS_MIN)
        quotas->stripe_count /= 2;
    quotas->stripe_cells = (uint32_t)(cells / quotas->stripe_count);
    quotas->bucket_mask = 1;
    while (quotas->bucket_mask * 2 + 1 < quotas->stripe_cells)
        quotas->bucket_mask = quotas->bucket_mask * 2 + 1;
    for (uint32_t i = 0; i < quotas->stripe_count; i++)
        init_stripe(quotas, &quotas->stripes[i]);
    quotas->bytes =
        sizeof(*quotas) + quotas->stripe_count * (quotas->stripe_cells * sizeof(struct cell) +
                                                  (quotas->bucket_mask + 1) * sizeof(uint32_t));
    return quotas;
}

void gw_quotas_free(struct gw_quotas *quotas)
{
    if (!quotas)
        return;
    for (uint32_t i = 0; i < quotas->stripe_count; i++) {
        pthread_mutex_destroy(&quotas->stripes[i].lock);
        gw_free(quotas->stripes[i].cells);
        gw_free(quotas->stripes[i].buckets);
    }
    gw_free(quotas);
}

/* --- one stripe, locked --- */

static uint32_t *bucket_of(const struct gw_quotas *quotas, struct stripe *stripe,
                           struct gw_hash128 key)
{
    return &stripe->buckets[key.low & quotas->bucket_mask];
}

static struct cell *find(const struct gw_quotas *quotas, struct stripe *stripe,
                         struct gw_hash128 key)
{
    uint32_t at = *bucket_of(quotas, stripe, key);

    while (at != NONE &&
           (stripe->cells[at].key.low != key.low || stripe->cells[at].key.high != key.high))
        at = stripe->cells[at].next;
    return at == NONE ? NULL : &stripe->cells[at];
}

static uint32_t index_of(const struct stripe *stripe, const struct cell *cell)
{
    return (uint32_t)(cell - stripe->cells);
}

static void unlink_use(struct stripe *stripe, struct cell *cell)
{
    *(cell->older ? &stripe->cells[cell->older].newer : &stripe->oldest) = cell->newer;
    *(cell->newer ? &stripe->cells[cell->newer].older : &stripe->newest) = cell->older;
}

static void link_newest(struct stripe *stripe, struct cell *cell)
{
    uint32_t at = index_of(stripe, cell);

    cell->newer = NONE;
    cell->older = stripe->newest;
    *(stripe->newest ? &stripe->cells[stripe->newest].newer : &stripe->oldest) = at;
    stripe->newest = at;
}

static void use(struct stripe *stripe, struct cell *cell)
{
    if (!cell->newer)
        return;
    unlink_use(stripe, cell);
    link_newest(stripe, cell);
}

static void remove_cell(const struct gw_quotas *quotas, struct stripe *stripe, struct cell *cell)
{
    uint32_t at = index_of(stripe, cell), *link = bucket_of(quotas, stripe, cell->key);

    while (*link != at)
        link = &stripe->cells[*link].next;
    *link = cell->next;
    unlink_use(stripe, cell);
    *cell = (struct cell){ .next = stripe->free };
    stripe->free = at;
    stripe->entries--;
}

/* A free cell, made by sending the one away that was not used for the longest time. NONE: all that
 * could leave hold what is not written. */
static uint32_t make_room(struct gw_quotas *quotas, struct stripe *stripe, uint64_t now_us)
{
    uint32_t at = stripe->oldest;

    for (unsigned tries = 0; !stripe->free && tries < EVICT_TRIES && at != NONE; tries++) {
        struct cell *cell = &stripe->cells[at];

        at = cell->newer;
        if (cell->dirty || cell->moving)
            continue;
        if (cell->end_us > now_us) {
            stripe->evicted++;
            gw_quotas_set_partial(quotas);
        }
        remove_cell(quotas, stripe, cell);
    }
    return stripe->free;
}

static struct cell *add(struct gw_quotas *quotas, struct stripe *stripe, struct gw_hash128 key,
                        uint64_t end_us, uint64_t now_us)
{
    uint32_t at = make_room(quotas, stripe, now_us), *bucket = bucket_of(quotas, stripe, key);
    struct cell *cell = &stripe->cells[at];

    if (at == NONE)
        return NULL;
    stripe->free = cell->next;
    *cell = (struct cell){ .key = key, .end_us = end_us, .next = *bucket };
    *bucket = at;
    link_newest(stripe, cell);
    stripe->entries++;
    return cell;
}

static void set_dirty(struct stripe *stripe, struct cell *cell)
{
    if (cell->dirty)
        return;
    cell->dirty = true;
    cell->next_dirty = stripe->dirty;
    stripe->dirty = index_of(stripe, cell);
    stripe->pending++;
}

/* Whether what the cell counts is of the window that the rule has now. Windows of the clock are
 * told by their end, so that one which a wrong clock made long ago is not believed; but another
 * caller, whose clock is a little ahead, may have begun the next one. */
static bool is_current(const struct cell *cell, const struct gw_limit_rule *rule, uint64_t now_us)
{
    if (rule->align == GW_LIMIT_BY_FIRST_USE)
        return cell->end_us > now_us;
    uint64_t end_us = gw_limit_window_end(rule, now_us);

    return cell->end_us == end_us || (cell->end_us > end_us && end_us - now_us <= LAG_US &&
                                      cell->end_us == gw_limit_window_end(rule, end_us));
}

/* The next window begins. Nobody needs any more what was not written of the last one. */
static void restart(struct cell *cell, const struct gw_limit_rule *rule, uint64_t now_us)
{
    cell->end_us = gw_limit_window_end(rule, now_us);
    cell->total_micro = cell->pending_micro = cell->moving_micro = 0;
    cell->blind = false;
}

/* --- deciding --- */

static uint32_t stripe_of(const struct gw_quotas *quotas, struct gw_hash128 key)
{
    return (uint32_t)(key.high & (quotas->stripe_count - 1));
}

/* Of each, once, in the order of their places, so that two callers never wait for one another. */
static uint64_t stripes_of(const struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                           size_t count)
{
    uint64_t set = 0;

    for (size_t i = 0; i < count; i++)
        set |= UINT64_C(1) << stripe_of(quotas, asks[i].key);
    return set;
}

static void lock_all(struct gw_quotas *quotas, uint64_t set)
{
    for (; set; set &= set - 1)
        pthread_mutex_lock(&quotas->stripes[__builtin_ctzll(set)].lock);
}

static void unlock_all(struct gw_quotas *quotas, uint64_t set)
{
    for (; set; set &= set - 1)
        pthread_mutex_unlock(&quotas->stripes[__builtin_ctzll(set)].lock);
}

static int64_t micro(double amount)
{
    return llround(fmin(fmax(amount, -COST_MOST), COST_MOST) * GW_LIMIT_MICRO);
}

static void answer_of(const struct gw_limit_rule *rule, int64_t used, uint64_t end_us, int64_t cost,
                      uint64_t now_us, struct gw_limit_answer *answer)
{
    int64_t left = rule->limit_micro - used;

    *answer = (struct gw_limit_answer){
        .allowed = cost <= left,
        .limit = (double)rule->limit_micro / GW_LIMIT_MICRO,
        .remaining = left > 0 ? (double)left / GW_LIMIT_MICRO : 0,
        .reset_us = end_us - now_us,
    };
    if (!answer->allowed)
        answer->retry_us = cost > rule->limit_micro ? UINT64_MAX : answer->reset_us;
}

/* The current cell of the ask, made where `adds` and none is; NULL with false in *known: it may
 * stand in the file. */
static struct cell *current(struct gw_quotas *quotas, const struct gw_quota_ask *ask,
                            uint64_t now_us, bool adds, bool *known)
{
    struct stripe *stripe = &quotas->stripes[stripe_of(quotas, ask->key)];
    struct cell *cell = find(quotas, stripe, ask->key);

    *known = cell || !atomic_load_explicit(&quotas->partial, memory_order_relaxed);
    if (cell && !is_current(cell, ask->rule, now_us)) {
        if (!adds)
            return NULL;
        restart(cell, ask->rule, now_us);
    }
    if (cell && cell->blind)
        *known = false;
    if (!cell && adds && *known) {
        cell = add(quotas, stripe, ask->key, gw_limit_window_end(ask->rule, now_us), now_us);
        *known = cell != NULL;
    }
    if (cell && adds)
        use(stripe, cell);
    return cell;
}

/* What the asks before this one would charge to the same key. */
static int64_t charged_before(const struct gw_quota_ask *asks, size_t at)
{
    int64_t sum = 0;

    for (size_t i = 0; i < at; i++)
        if (asks[i].key.low == asks[at].key.low && asks[i].key.high == asks[at].key.high)
            sum += micro(asks[i].cost);
    return sum;
}

static enum gw_quotas_outcome judge(struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                                    size_t count, uint64_t now_us, bool adds, struct cell **cells,
                                    struct gw_limit_answer *answers)
{
    enum gw_quotas_outcome outcome = GW_QUOTAS_PASS;

    for (size_t i = 0; i < count; i++) {
        bool known;

        cells[i] = current(quotas, &asks[i], now_us, adds, &known);
        if (!known)
            return GW_QUOTAS_UNKNOWN;
        answer_of(asks[i].rule, charged_before(asks, i) + (cells[i] ? cells[i]->total_micro : 0),
                  cells[i] ? cells[i]->end_us : gw_limit_window_end(asks[i].rule, now_us),
                  micro(asks[i].cost), now_us, &answers[i]);
        if (!answers[i].allowed)
            outcome = GW_QUOTAS_REFUSE;
    }
    return outcome;
}

static void charge(struct gw_quotas *quotas, struct cell *cell, int64_t amount)
{
    if (cell->total_micro + amount < 0 && !cell->blind)
        amount = -cell->total_micro;
    if (cell->total_micro + amount > TOTAL_MOST)
        amount = TOTAL_MOST - cell->total_micro;
    if (amount == 0)
        return;
    cell->total_micro += amount;
    cell->pending_micro += amount;
    set_dirty(&quotas->stripes[stripe_of(quotas, cell->key)], cell);
}

static double left_of(const struct gw_limit_rule *rule, const struct cell *cell)
{
    int64_t left = rule->limit_micro - cell->total_micro;

    return left > 0 ? (double)left / GW_LIMIT_MICRO : 0;
}

enum gw_quotas_outcome gw_quotas_take(struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers)
{
    struct cell *cells[GW_LIMIT_ASKS_MAX];
    uint64_t set = stripes_of(quotas, asks, count);

    GW_ASSERT(count >= 1 && count <= GW_LIMIT_ASKS_MAX);
    lock_all(quotas, set);
    enum gw_quotas_outcome outcome = judge(quotas, asks, count, now_us, true, cells, answers);

    for (size_t i = 0; outcome == GW_QUOTAS_PASS && i < count; i++)
        charge(quotas, cells[i], micro(asks[i].cost));
    for (size_t i = 0; outcome == GW_QUOTAS_PASS && i < count; i++)
        answers[i].remaining = left_of(asks[i].rule, cells[i]);
    unlock_all(quotas, set);
    return outcome;
}

enum gw_quotas_outcome gw_quotas_look(struct gw_quotas *quotas, const struct gw_quota_ask *asks,
                                      size_t count, uint64_t now_us,
                                      struct gw_limit_answer *answers)
{
    struct cell *cells[GW_LIMIT_ASKS_MAX];
    uint64_t set = stripes_of(quotas, asks, count);

    GW_ASSERT(count >= 1 && count <= GW_LIMIT_ASKS_MAX);
    lock_all(quotas, set);
    enum gw_quotas_outcome outcome = judge(quotas, asks, count, now_us, false, cells, answers);

    unlock_all(quotas, set);
    return outcome;
}

bool gw_quotas_adjust(struct gw_quotas *quotas, const struct gw_quota_ask *ask, uint64_t now_us,
                      struct gw_limit_answer *answer)
{
    struct stripe *stripe = &quotas->stripes[stripe_of(quotas, ask->key)];
    uint64_t end_us = gw_limit_window_end(ask->rule, now_us);
    bool known;

    pthread_mutex_lock(&stripe->lock);
    struct cell *cell = current(quotas, ask, now_us, true, &known);

    if (!cell && (cell = add(quotas, stripe, ask->key, end_us, now_us)))
        cell->blind = true;
    if (cell) {
        charge(quotas, cell, micro(ask->cost));
        answer_of(ask->rule, cell->total_micro, cell->end_us, 0, now_us, answer);
    } else {
        answer_of(ask->rule, 0, end_us, 0, now_us, answer);
    }
    pthread_mutex_unlock(&stripe->lock);
    return cell != NULL;
}

/* --- the ledger's side --- */

/* From the dirty list of one stripe. */
static size_t collect_stripe(struct stripe *stripe, uint64_t now_us,
                             struct gw_quota_change *changes, size_t max)
{
    size_t count = 0;

    pthread_mutex_lock(&stripe->lock);
    while (stripe->dirty && count < max) {
        struct cell *cell = &stripe->cells[stripe->dirty];

        stripe->dirty = cell->next_dirty;
        cell->next_dirty = NONE;
        cell->dirty = false;
        stripe->pending--;
        if (cell->end_us > now_us && cell->pending_micro != 0) {
            changes[count++] = (struct gw_quota_change){
                .key = cell->key,
                .end_us = cell->end_us,
                .amount_micro = cell->pending_micro,
            };
            cell->moving_micro = cell->pending_micro;
            cell->moving++;
        }
        cell->pending_micro = 0;
    }
    pthread_mutex_unlock(&stripe->lock);
    return count;
}

size_t gw_quotas_collect(struct gw_quotas *quotas, uint64_t now_us, struct gw_quota_change *changes,
                         size_t max)
{
    size_t count = 0;

    for (uint32_t i = 0; i < quotas->stripe_count && count < max; i++) {
        struct stripe *stripe = &quotas->stripes[quotas->collect_at];

        count += collect_stripe(stripe, now_us, changes + count, max - count);
        if (count < max)
            quotas->collect_at = (quotas->collect_at + 1) & (quotas->stripe_count - 1);
    }
    return count;
}

void gw_quotas_settle(struct gw_quotas *quotas, const struct gw_quota_change *change, bool written)
{
    struct stripe *stripe = &quotas->stripes[stripe_of(quotas, change->key)];

    pthread_mutex_lock(&stripe->lock);
    struct cell *cell = find(quotas, stripe, change->key);

    GW_ASSERT(cell && cell->moving > 0);
    cell->moving--;
    if (cell->end_us == change->end_us) {
        cell->moving_micro = 0;
        if (written) {
            cell->total_micro = change->total_micro + cell->pending_micro;
            cell->blind = false;
        } else {
            cell->pending_micro += change->amount_micro;
            set_dirty(stripe, cell);
        }
    }
    pthread_mutex_unlock(&stripe->lock);
}

/* A window that began in the meantime is told by its end. */
static void take_fact(struct cell *cell, const struct gw_quota_fact *fact, uint64_t now_us)
{
    if (cell->end_us <= now_us && fact->end_us > now_us) {
        cell->end_us = fact->end_us;
        cell->total_micro = cell->pending_micro = cell->moving_micro = 0;
    }
    if (cell->end_us == fact->end_us)
        cell->total_micro = fact->total_micro + cell->pending_micro + cell->moving_micro;
    if (cell->end_us == fact->end_us || !fact->end_us)
        cell->blind = false;
}

bool gw_quotas_learn(struct gw_quotas *quotas, const struct gw_quota_fact *fact, uint64_t now_us,
                     bool adds)
{
    struct stripe *stripe = &quotas->stripes[stripe_of(quotas, fact->key)];

    pthread_mutex_lock(&stripe->lock);
    struct cell *cell = find(quotas, stripe, fact->key);

    if (!cell && adds) /* that nothing is there is worth a cell, too: of a window that has ended */
        cell = add(quotas, stripe, fact->key, fact->end_us ? fact->end_us : 1, now_us);
    if (cell)
        take_fact(cell, fact, now_us);
    pthread_mutex_unlock(&stripe->lock);
    return cell || !adds;
}

void gw_quotas_set_partial(struct gw_quotas *quotas)
{
    if (quotas->backed)
        atomic_store_explicit(&quotas->partial, true, memory_order_relaxed);
}

struct gw_quotas_stats gw_quotas_stats(struct gw_quotas *quotas)
{
    struct gw_quotas_stats stats = {
        .bytes = quotas->bytes,
        .max_bytes = quotas->max_bytes,
        .partial = atomic_load_explicit(&quotas->partial, memory_order_relaxed),
    };

    for (uint32_t i = 0; i < quotas->stripe_count; i++) {
        struct stripe *stripe = &quotas->stripes[i];

        pthread_mutex_lock(&stripe->lock);
        stats.entries += stripe->entries;
        stats.evicted += stripe->evicted;
        stats.pending += stripe->pending;
        pthread_mutex_unlock(&stripe->lock);
    }
    return stats;
}
