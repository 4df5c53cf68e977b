#include "net/timer.h"

#include "base/alloc.h"
#include "base/check.h"
#include "net/timers.h"

/* A hashed wheel: SLOTS lists, one a tick, of the timers that want to be looked at then. A timer
 * further away than the wheel is wide is looked at once a round and placed again, and so is one
 * whose deadline moved later: moving a deadline (every read on every connection does) is then one
 * store. The slot's time is never before the deadline, so nothing fires early.
 *
 * gw_timer_stop() does not know the wheel, so `used` may name a slot that is empty by now: it costs
 * one wake-up. */
#define TICK_US 4000
#define SLOTS 1024 /* 4 s */
#define WORDS (SLOTS / 64)
#define NEVER UINT64_MAX

struct gw_timers {
    struct gw_loop *loop;
    uint64_t next_tick;  /* the first one not looked at yet */
    uint64_t armed_tick; /* uv_timer wakes us for this one; NEVER: it does not */
    uint64_t used[WORDS];
    struct gw_list slots[SLOTS];
    struct gw_list firing; /* taken out of their slots, about to be looked at */
    uv_timer_t uv;         /* not on a virtual clock */
};

static uint64_t tick_of(uint64_t due_us)
{
    return due_us / TICK_US + (due_us % TICK_US != 0);
}

static void on_wake(uv_timer_t *uv);

static void arm(struct gw_timers *timers, uint64_t tick)
{
    timers->armed_tick = tick;
    if (timers->loop->clock.is_virtual)
        return;
    uint64_t at_ms = tick * TICK_US / 1000;
    uint64_t now_ms = uv_now(&timers->loop->uv);

    uv_timer_start(&timers->uv, on_wake, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void place(struct gw_timers *timers, struct gw_timer *timer)
{
    uint64_t tick = tick_of(timer->due_us);

    if (tick < timers->next_tick)
        tick = timers->next_tick;
    size_t slot = tick % SLOTS;

    timer->placed_us = tick * TICK_US;
    gw_list_append(&timers->slots[slot], &timer->node);
    timers->used[slot / 64] |= 1ULL << (slot % 64);
    if (tick < timers->armed_tick)
        arm(timers, tick);
}

void gw_timer_start(struct gw_loop *loop, struct gw_timer *timer, uint64_t delay_us,
                    gw_timer_cb on_fire)
{
    gw_loop_woke(loop);
    uint64_t now_us = loop->clock.now_us;

    timer->due_us = delay_us < NEVER / 2 - now_us ? now_us + delay_us : NEVER / 2;
    timer->on_fire = on_fire;
    if (gw_timer_running(timer)) {
        if (tick_of(timer->due_us) * TICK_US >= timer->placed_us)
            return; /* lazy: it is placed again when the wheel comes by */
        gw_list_remove(&timer->node);
    }
    place(loop->timers, timer);
}

void gw_timer_stop(struct gw_timer *timer)
{
    gw_list_remove(&timer->node);
}

/* The first tick from `from` on whose slot may hold a timer, or NEVER. */
static uint64_t first_used(const struct gw_timers *timers, uint64_t from)
{
    size_t start = from % SLOTS;
    uint64_t end = timers->next_tick + SLOTS;

    for (size_t i = 0; i <= WORDS; i++) { /* the first word twice: its upper and its lower part */
        size_t word = (start / 64 + i) % WORDS;
        uint64_t bits = timers->used[word];

        if (i == 0)
            bits &= ~0ULL << (start % 64);
        if (bits) {
            size_t slot = word * 64 + (size_t)__builtin_ctzll(bits);
            uint64_t tick = from + (slot + SLOTS - start) % SLOTS;

            return tick < end ? tick : NEVER;
        }
    }
    return NEVER;
}

/* Takes the timers of every slot up to `now_tick` out. */
static void collect(struct gw_timers *timers, uint64_t now_tick)
{
    uint64_t tick = first_used(timers, timers->next_tick);

    for (; tick <= now_tick; tick = first_used(timers, tick + 1)) {
        size_t slot = tick % SLOTS;

        timers->used[slot / 64] &= ~(1ULL << (slot % 64));
        GW_LIST_EACH(&timers->slots[slot], node) {
            gw_list_remove(node);
            gw_list_append(&timers->firing, node);
        }
    }
    if (timers->next_tick <= now_tick)
        timers->next_tick = now_tick + 1;
}

static void on_wake(uv_timer_t *uv)
{
    struct gw_timers *timers = container_of(uv, struct gw_timers, uv);
    struct gw_clock *clock = &timers->loop->clock;
    struct gw_list_node *node;

    timers->loop->clock_fresh = true;
    gw_clock_refresh(clock); /* libuv's clock may be ahead of the one of this turn */
    collect(timers, clock->now_us / TICK_US);
    timers->armed_tick = 0; /* arm once, at the end */
    while ((node = gw_list_first(&timers->firing))) {
        struct gw_timer *timer = container_of(node, struct gw_timer, node);

        gw_list_remove(node);
        if (timer->due_us <= clock->now_us)
            timer->on_fire(timer); /* may free it */
        else
            place(timers, timer);
    }
    uint64_t next = first_used(timers, timers->next_tick);

    if (next == NEVER)
        timers->armed_tick = NEVER;
    else
        arm(timers, next);
}

struct gw_timer *gw_timers_first(const struct gw_timers *timers)
{
    uint64_t start = first_used(timers, timers->next_tick);
    struct gw_timer *first = NULL;

    for (uint64_t tick = start; tick != NEVER; tick = first_used(timers, tick + 1)) {
        if (first && tick_of(first->due_us) < tick)
            break; /* nobody stands behind his deadline, except in the first slot */
        GW_LIST_EACH(&timers->slots[tick % SLOTS], node) {
            struct gw_timer *timer = container_of(node, struct gw_timer, node);

            if (!first || timer->due_us < first->due_us)
                first = timer;
        }
    }
    return first;
}

bool gw_timers_fire_next(struct gw_timers *timers, uint64_t until_us)
{
    struct gw_clock *clock = &timers->loop->clock;
    struct gw_timer *first = gw_timers_first(timers);
    struct gw_list_node *node;

    if (!first || first->due_us > until_us)
        return false;
    if (first->due_us > clock->now_us)
        gw_clock_advance(clock, first->due_us - clock->now_us);
    gw_list_remove(&first->node);
    collect(timers, clock->now_us / TICK_US);
    while ((node = gw_list_first(&timers->firing))) {
        gw_list_remove(node);
        place(timers, container_of(node, struct gw_timer, node));
    }
    first->on_fire(first); /* may free it */
    return true;
}

bool gw_loop_next_timer(const struct gw_loop *loop, uint64_t *due_us)
{
    struct gw_timer *first = gw_timers_first(loop->timers);

    if (!first)
        return false;
    *due_us = first->due_us;
    return true;
}

struct gw_timers *gw_timers_new(struct gw_loop *loop)
{
    struct gw_timers *timers = gw_alloc_zero(sizeof(*timers));

    timers->loop = loop;
    timers->next_tick = tick_of(loop->clock.now_us);
    timers->armed_tick = NEVER;
    for (size_t i = 0; i < SLOTS; i++)
        gw_list_init(&timers->slots[i]);
    gw_list_init(&timers->firing);
    if (!loop->clock.is_virtual) {
        GW_ASSERT(uv_timer_init(&loop->uv, &timers->uv) == 0);
        uv_unref((uv_handle_t *)&timers->uv);
    }
    return timers;
}

static void on_close(uv_handle_t *handle)
{
    gw_free(container_of((uv_timer_t *)handle, struct gw_timers, uv));
}

void gw_timers_close(struct gw_timers *timers)
{
    collect(timers,
            timers->next_tick + SLOTS); /* so that stopping one later touches nothing freed */
    while (!gw_list_empty(&timers->firing))
        gw_list_remove(gw_list_first(&timers->firing));
    if (timers->loop->clock.is_virtual)
        gw_free(timers);
    else
        uv_close((uv_handle_t *)&timers->uv, on_close);
}
