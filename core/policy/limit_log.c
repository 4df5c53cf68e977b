/* Exact sliding windows: what passed when. The oldest entry stands in the cell, the others in a
 * chain of blocks behind it, each of which one is put at the end of and taken from the beginning
 * of. Entries of the same microsecond are one; where there are as many as the rule or the table
 * allows (costs below 1), so are the last two, as of the later: it is stricter then, not laxer. */
#include "policy/limit_private.h"

#define TIME_BITS 48

static struct gw_limit_log *log_of(const struct gw_limit_place *place)
{
    return &place->cell->log;
}

static struct gw_limit_block *block_at(const struct gw_limit_place *place, uint32_t unit)
{
    return &place->stripe->units[unit].block;
}

/* --- entries --- */

static int64_t amount_of(const struct gw_limit_entry *entry)
{
    return (int64_t)((uint64_t)entry->amount_high << 32 | entry->amount_low);
}

static void set_amount(struct gw_limit_entry *entry, int64_t micro)
{
    entry->amount_low = (uint32_t)micro;
    entry->amount_high = (uint16_t)((uint64_t)micro >> 32);
}

static void set_time(struct gw_limit_entry *entry, uint64_t at_us)
{
    entry->at_low = (uint32_t)at_us;
    entry->at_high = (uint16_t)(at_us >> 32);
}

/* How long ago; below 0 for a caller whose clock lags. */
static int64_t age_of(const struct gw_limit_entry *entry, uint64_t now_us)
{
    uint64_t at_us = (uint64_t)entry->at_high << 32 | entry->at_low;

    return (int64_t)((now_us - at_us) << (64 - TIME_BITS)) >> (64 - TIME_BITS);
}

/* When it says nothing any more. */
static uint64_t ends_in(const struct gw_limit_place *place, const struct gw_limit_entry *entry)
{
    int64_t left_us = (int64_t)place->rule->window_us - age_of(entry, place->now_us);

    return left_us > 0 ? (uint64_t)left_us : 0;
}

/* --- the chain --- */

static struct gw_limit_entry *newest(const struct gw_limit_place *place)
{
    struct gw_limit_log *log = log_of(place);

    if (log->count == 1)
        return &log->first;
    return &block_at(place, place->cell->tail)->entries[log->tail_at - 1];
}

/* Room for one more at the end. */
static struct gw_limit_entry *append(const struct gw_limit_place *place)
{
    struct gw_limit_cell *cell = place->cell;
    struct gw_limit_log *log = log_of(place);

    if (log->count++ == 0)
        return &log->first;
    if (!cell->head || log->tail_at == GW_LIMIT_BLOCK_ENTRIES) {
        uint32_t unit = gw_limit_unit_new(place->stripe, place->now_us);

        if (cell->head) {
            block_at(place, cell->tail)->next = unit;
        } else {
            cell->head = unit;
            log->head_at = 0;
        }
        cell->tail = unit;
        log->tail_at = 0;
    }
    return &block_at(place, cell->tail)->entries[log->tail_at++];
}

/* Takes the oldest out. */
static void shift(const struct gw_limit_place *place)
{
    struct gw_limit_cell *cell = place->cell;
    struct gw_limit_log *log = log_of(place);
    uint32_t head = cell->head;

    log->sum_micro -= amount_of(&log->first);
    if (--log->count == 0)
        return;
    log->first = block_at(place, head)->entries[log->head_at++];
    if (log->count == 1)
        cell->head = cell->tail = 0;
    else if (log->head_at == GW_LIMIT_BLOCK_ENTRIES) {
        cell->head = block_at(place, head)->next;
        log->head_at = 0;
    } else
        return;
    gw_limit_unit_free(place->stripe, head);
}

/* --- the algorithm --- */

static void begin(const struct gw_limit_place *place)
{
    *log_of(place) = (struct gw_limit_log){ 0 };
}

static void advance(const struct gw_limit_place *place)
{
    const struct gw_limit_log *log = log_of(place);

    while (log->count && ends_in(place, &log->first) == 0)
        shift(place);
}

static int64_t room(const struct gw_limit_place *place)
{
    return place->rule->limit_micro - log_of(place)->sum_micro;
}

/* What is given back was counted last, but entries leave from the beginning: those that stay end
 * later, so that it is never laxer for it. */
static void give_back(const struct gw_limit_place *place, int64_t micro)
{
    struct gw_limit_log *log = log_of(place);

    while (log->count && micro >= amount_of(&log->first)) {
        micro -= amount_of(&log->first);
        shift(place);
    }
    if (!log->count)
        return;
    set_amount(&log->first, amount_of(&log->first) - micro);
    log->sum_micro -= micro;
}

static void charge(const struct gw_limit_place *place, int64_t micro)
{
    struct gw_limit_log *log = log_of(place);
    uint32_t most = place->rule->log_max;

    if (micro <= 0) {
        give_back(place, -micro);
        return;
    }
    if (micro > GW_LIMIT_LOG_AMOUNT_MAX - log->sum_micro)
        micro = GW_LIMIT_LOG_AMOUNT_MAX - log->sum_micro;
    log->sum_micro += micro;
    if (most > place->stripe->log_max)
        most = place->stripe->log_max;
    struct gw_limit_entry *last = log->count ? newest(place) : NULL;

    if (last && (age_of(last, place->now_us) <= 0 || log->count >= most)) {
        if (age_of(last, place->now_us) > 0)
            set_time(last, place->now_us);
        set_amount(last, amount_of(last) + micro);
        return;
    }
    last = append(place);
    set_time(last, place->now_us);
    set_amount(last, micro);
}

static uint64_t reset(const struct gw_limit_place *place)
{
    return log_of(place)->count ? ends_in(place, newest(place)) : 0;
}

/* Until so many of the oldest have left that there is room. */
static uint64_t retry(const struct gw_limit_place *place, int64_t micro)
{
    const struct gw_limit_log *log = log_of(place);
    const struct gw_limit_entry *entry = &log->first;
    int64_t missing = micro - room(place);
    uint32_t unit = place->cell->head;
    unsigned at = log->head_at;

    for (unsigned left = log->count; left; left--) {
        missing -= amount_of(entry);
        if (missing <= 0)
            return ends_in(place, entry);
        if (at == GW_LIMIT_BLOCK_ENTRIES) {
            unit = block_at(place, unit)->next;
            at = 0;
        }
        if (left > 1)
            entry = &block_at(place, unit)->entries[at++];
    }
    return 0;
}

const struct gw_limit_algorithm_ops gw_limit_log_ops = {
    .begin = begin,
    .advance = advance,
    .room = room,
    .charge = charge,
    .reset = reset,
    .retry = retry,
};
