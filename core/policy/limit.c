/* A decision: the cells of all asks are found under the locks of their stripes, time passes in
 * them, and only when each of them has room is anything charged. So nothing ever has to be taken
 * back, and a refusal makes no new cell. */
#include "policy/limit.h"

#include "policy/limit_private.h"

#include <math.h>

static const struct gw_limit_algorithm_ops *const algorithms[GW_LIMIT_ALGORITHMS] = {
    [GW_LIMIT_TOKEN_BUCKET] = &gw_limit_bucket_ops,
    [GW_LIMIT_LEAKY_BUCKET] = &gw_limit_bucket_ops,
    [GW_LIMIT_FIXED_WINDOW] = &gw_limit_window_ops,
    [GW_LIMIT_SLIDING_WINDOW] = &gw_limit_log_ops,
    [GW_LIMIT_SLIDING_APPROXIMATE] = &gw_limit_estimate_ops,
};

/* One ask on its way through a decision. */
struct step {
    struct gw_limit_place place;
    const struct gw_limit_algorithm_ops *ops;
    struct gw_hash128 hash;
    struct gw_limit_cell blank; /* in the place of a cell that is not there */
    const struct step *same;    /* an earlier one that has the same cell */
    int64_t micro;
    int64_t before; /* what earlier ones take from the same cell */
};

/* Not a number is nothing. */
static int64_t micro_of(double amount)
{
    double micro = amount * GW_LIMIT_MICRO;

    if (!(micro < (double)GW_LIMIT_AMOUNT_MAX))
        return micro > 0 ? GW_LIMIT_AMOUNT_MAX : 0;
    if (micro < -(double)GW_LIMIT_AMOUNT_MAX)
        return -GW_LIMIT_AMOUNT_MAX;
    return (int64_t)llrint(micro);
}

/* --- locks --- */

static void prepare(struct gw_limit_table *limits, const struct gw_limit_ask *ask, uint64_t now_us,
                    struct step *step)
{
    step->hash = gw_siphash128(&limits->secret, ask->rule->id, ask->key);
    step->place.limits = limits;
    step->place.stripe = gw_limit_stripe_of(limits, step->hash);
    step->place.rule = ask->rule;
    step->place.now_us = now_us;
    step->ops = algorithms[ask->rule->algorithm];
    step->same = NULL;
    step->before = 0;
    step->micro = micro_of(ask->cost);
}

/* Always in the order of the stripes, so that two decisions never wait for each other. Returns how
 * many. */
static size_t stripes_of(const struct step *steps, size_t count,
                         struct gw_limit_stripe *stripes[GW_LIMIT_ASKS_MAX])
{
    size_t found = 0;

    for (size_t i = 0; i < count; i++) {
        struct gw_limit_stripe *stripe = steps[i].place.stripe;
        size_t at = found;

        while (at && stripes[at - 1] > stripe)
            at--;
        if (at && stripes[at - 1] == stripe)
            continue;
        memmove(&stripes[at + 1], &stripes[at], (found - at) * sizeof(stripes[0]));
        stripes[at] = stripe;
        found++;
    }
    return found;
}

static void lock_all(struct gw_limit_stripe *const *stripes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        pthread_mutex_lock(&stripes[i]->lock);
}

static void unlock_all(struct gw_limit_stripe *const *stripes, size_t count)
{
    while (count--)
        pthread_mutex_unlock(&stripes[count]->lock);
}

/* --- cells --- */

static void enter(struct step *steps, size_t at)
{
    struct step *step = &steps[at];

    for (size_t i = 0; i < at; i++) {
        if (steps[i].hash.low != step->hash.low || steps[i].hash.high != step->hash.high)
            continue;
        if (!step->same)
            step->same = &steps[i];
        step->before += steps[i].micro;
    }
    if (step->same) {
        step->place.cell = step->same->place.cell;
        return;
    }
    step->place.cell = gw_limit_find(step->place.stripe, step->hash);
    if (!step->place.cell) {
        step->blank = (struct gw_limit_cell){ .hash = step->hash };
        step->place.cell = &step->blank;
        step->ops->begin(&step->place);
    }
    step->ops->advance(&step->place);
}

static bool is_new(const struct step *step)
{
    return step->place.cell == &step->blank;
}

/* Puts what was only looked at into the table. */
static void settle_in(struct step *step)
{
    struct gw_limit_cell *cell = gw_limit_add(step->place.stripe, step->hash, step->place.now_us);

    cell->bucket = step->blank.bucket; /* the widest of them */
    step->place.cell = cell;
}

/* First of all, so that none of them has to leave for another one; and when they are refused, too:
 * who goes on asking must not be forgotten because others come. */
static void touch_all(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!steps[i].same && !is_new(&steps[i]))
            gw_limit_touch(steps[i].place.stripe, steps[i].place.cell);
}

static void charge_all(struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct step *step = &steps[i];

        if (step->same)
            step->place.cell = step->same->place.cell;
        else if (is_new(step))
            settle_in(step);
        step->ops->charge(&step->place, step->micro);
    }
}

static void note_settled(const struct step *step, uint64_t reset_us)
{
    uint64_t second = (step->place.now_us + reset_us) / 1000000 + 1;

    step->place.cell->settled_s = second > UINT32_MAX ? UINT32_MAX : (uint32_t)second;
}

/* --- answers --- */

/* `room` is what there is for this ask and those behind it, charged or not. */
static void answer(const struct step *step, bool allowed, bool charged,
                   struct gw_limit_answer *answer)
{
    int64_t most = gw_limit_most(step->place.rule), room = step->ops->room(&step->place);
    int64_t wanted = step->micro + step->before;

    *answer = (struct gw_limit_answer){
        .allowed = allowed,
        .limit = (double)most / GW_LIMIT_MICRO,
        .remaining = room > 0 ? (double)room / GW_LIMIT_MICRO : 0,
        .reset_us = step->ops->reset(&step->place),
    };
    if (!allowed)
        answer->retry_us = wanted > most ? UINT64_MAX : step->ops->retry(&step->place, wanted);
    if (charged)
        note_settled(step, answer->reset_us);
}

static bool decide(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                   uint64_t now_us, bool take, struct gw_limit_answer *answers)
{
    struct step steps[GW_LIMIT_ASKS_MAX];
    struct gw_limit_stripe *stripes[GW_LIMIT_ASKS_MAX];
    bool all = true;

    GW_ASSERT(count > 0 && count <= GW_LIMIT_ASKS_MAX);
    for (size_t i = 0; i < count; i++)
        prepare(limits, &asks[i], now_us, &steps[i]);
    size_t locked = stripes_of(steps, count, stripes);

    lock_all(stripes, locked);
    for (size_t i = 0; i < count; i++) {
        enter(steps, i);
        answers[i].allowed =
            steps[i].before + steps[i].micro <= steps[i].ops->room(&steps[i].place);
        all = all && answers[i].allowed;
    }
    bool charged = take && all;

    if (take)
        touch_all(steps, count);
    if (charged)
        charge_all(steps, count);
    for (size_t i = 0; i < count; i++)
        answer(&steps[i], answers[i].allowed, charged, &answers[i]);
    unlock_all(stripes, locked);
    return all;
}

bool gw_limit_take(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                   uint64_t now_us, struct gw_limit_answer *answers)
{
    return decide(limits, asks, count, now_us, true, answers);
}

bool gw_limit_look(struct gw_limit_table *limits, const struct gw_limit_ask *asks, size_t count,
                   uint64_t now_us, struct gw_limit_answer *answers)
{
    return decide(limits, asks, count, now_us, false, answers);
}

void gw_limit_adjust(struct gw_limit_table *limits, const struct gw_limit_ask *ask, uint64_t now_us,
                     struct gw_limit_answer *out)
{
    struct step step;

    prepare(limits, ask, now_us, &step);
    pthread_mutex_lock(&step.place.stripe->lock);
    enter(&step, 0);
    touch_all(&step, 1);
    charge_all(&step, 1);
    step.micro = 0;
    answer(&step, step.ops->room(&step.place) >= 0, true, out);
    pthread_mutex_unlock(&step.place.stripe->lock);
}

void gw_limit_forget(struct gw_limit_table *limits, struct gw_slice key,
                     const struct gw_limit_rule *rule)
{
    struct gw_hash128 hash = gw_siphash128(&limits->secret, rule->id, key);
    struct gw_limit_stripe *stripe = gw_limit_stripe_of(limits, hash);

    pthread_mutex_lock(&stripe->lock);
    struct gw_limit_cell *cell = gw_limit_find(stripe, hash);

    if (cell)
        gw_limit_drop(stripe, cell);
    pthread_mutex_unlock(&stripe->lock);
}
