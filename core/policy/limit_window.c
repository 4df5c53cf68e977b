/* Fixed windows, and sliding ones estimated from two of them. */
#include "policy/limit_private.h"

static uint64_t later(uint64_t us, uint64_t now_us)
{
    return us > now_us ? us - now_us : 0;
}

static void begin(const struct gw_limit_place *place)
{
    place->cell->window = (struct gw_limit_window){ 0 };
}

static void charge(const struct gw_limit_place *place, int64_t micro)
{
    struct gw_limit_window *window = &place->cell->window;

    if (!window->end_us && micro > 0)
        window->end_us = gw_limit_window_end(place->rule, place->now_us);
    window->count_micro = gw_limit_clamp(window->count_micro + micro);
    if (window->count_micro < 0) /* more given back than this window knows of */
        window->count_micro = 0;
}

/* --- fixed --- */

/* A window that nothing passed in yet begins with what does; where the clock says when, it has
 * begun. */
static void advance_fixed(const struct gw_limit_place *place)
{
    struct gw_limit_window *window = &place->cell->window;

    if (place->now_us < window->end_us)
        return;
    *window = (struct gw_limit_window){ 0 };
    if (place->rule->align != GW_LIMIT_BY_FIRST_USE)
        window->end_us = gw_limit_window_end(place->rule, place->now_us);
}

static int64_t room_fixed(const struct gw_limit_place *place)
{
    return place->rule->limit_micro - place->cell->window.count_micro;
}

static uint64_t reset_fixed(const struct gw_limit_place *place)
{
    return later(place->cell->window.end_us, place->now_us);
}

static uint64_t retry_fixed(const struct gw_limit_place *place, int64_t micro)
{
    (void)micro;
    return reset_fixed(place);
}

const struct gw_limit_algorithm_ops gw_limit_window_ops = {
    .begin = begin,
    .advance = advance_fixed,
    .room = room_fixed,
    .charge = charge,
    .reset = reset_fixed,
    .retry = retry_fixed,
};

/* --- estimated --- */

__extension__ typedef __int128 wide;

static void advance_estimate(const struct gw_limit_place *place)
{
    struct gw_limit_window *window = &place->cell->window;
    uint64_t length_us = place->rule->window_us;

    if (place->now_us < window->end_us)
        return;
    bool follows = window->end_us && place->now_us < window->end_us + length_us;

    *window = (struct gw_limit_window){
        .end_us = gw_limit_window_end(place->rule, place->now_us),
        .before_micro = follows ? window->count_micro : 0,
    };
}

/* What of `micro` still counts when `left_us` of the window are left, rounded up. */
static int64_t part_of(const struct gw_limit_place *place, int64_t micro, uint64_t left_us)
{
    uint64_t length_us = place->rule->window_us;

    if (micro <= 0)
        return 0;
    return (int64_t)(((wide)micro * left_us + length_us - 1) / length_us);
}

/* Of a caller whose clock lags: the whole window. */
static uint64_t left_of(const struct gw_limit_place *place)
{
    uint64_t left_us = later(place->cell->window.end_us, place->now_us);

    return left_us > place->rule->window_us ? place->rule->window_us : left_us;
}

static int64_t room_estimate(const struct gw_limit_place *place)
{
    const struct gw_limit_window *window = &place->cell->window;

    return place->rule->limit_micro - window->count_micro -
           part_of(place, window->before_micro, left_of(place));
}

/* The most microseconds that may be left of a window when not more than `room` of `micro` may
 * count. */
static uint64_t left_for(const struct gw_limit_place *place, int64_t micro, int64_t room)
{
    if (room < 0)
        return 0;
    if (micro <= room)
        return place->rule->window_us;
    return (uint64_t)((wide)room * place->rule->window_us / micro);
}

static uint64_t retry_estimate(const struct gw_limit_place *place, int64_t micro)
{
    const struct gw_limit_window *window = &place->cell->window;
    int64_t room = place->rule->limit_micro - micro - window->count_micro;

    if (room >= 0) /* in this window, or with the next one, when nothing of the last one counts */
        return later(window->end_us - left_for(place, window->before_micro, room), place->now_us);
    uint64_t left_us = left_for(place, window->count_micro, place->rule->limit_micro - micro);

    return later(window->end_us + place->rule->window_us - left_us, place->now_us);
}

static uint64_t reset_estimate(const struct gw_limit_place *place)
{
    const struct gw_limit_window *window = &place->cell->window;

    if (window->count_micro > 0)
        return later(window->end_us + place->rule->window_us, place->now_us);
    return window->before_micro > 0 ? later(window->end_us, place->now_us) : 0;
}

const struct gw_limit_algorithm_ops gw_limit_estimate_ops = {
    .begin = begin,
    .advance = advance_estimate,
    .room = room_estimate,
    .charge = charge,
    .reset = reset_estimate,
    .retry = retry_estimate,
};
