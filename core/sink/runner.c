/* What a network sink does, on its loop:
 *
 *     SLEEPS → (a line) → GATHERS → DELIVERS → (more) → GATHERS … → LOOKS → SLEEPS
 *                                   DELIVERS → (it failed) → RESTS → DELIVERS
 *
 * One delivery at a time, in order. What fails is tried again, at growing intervals, until its time
 * is over; then it is lost and counted, and the next batch gets its tries. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/log.h"
#include "sink/sink_private.h"
#include "upstream/pool.h"

#include <inttypes.h>

#define LOOK_US 20000      /* a sink at work is woken by nobody: it looks by itself */
#define SAY_US 60000000ull /* between two lines about the same trouble */
#define BATCH_BYTES (1024 * 1024)

static void advance(struct gw_sink *sink);

static uint64_t now(const struct gw_sink *sink)
{
    return sink->sinks->loop->clock.now_us;
}

static void on_timer(struct gw_timer *timer)
{
    advance(container_of(timer, struct gw_sink, timer));
}

static void wait_for(struct gw_sink *sink, enum gw_sink_state state, uint64_t delay_us)
{
    sink->state = state;
    gw_timer_start(sink->sinks->loop, &sink->timer, delay_us, on_timer);
}

/* ── what the operator hears ──────────────────────────────────────────────── */

static void say(struct gw_sink *sink, const char *problem)
{
    uint64_t missing = gw_sink_missing(sink);

    gw_warn("sink %s: %s (lines that wait: %u, lost since this was said last: %" PRIu64 ")",
            sink->name, problem, gw_sink_queue_entries(sink->queue), missing - sink->told_lost);
    sink->said_us = now(sink);
    sink->told_lost = missing;
}

static bool may_say(const struct gw_sink *sink)
{
    return !sink->said_us || now(sink) - sink->said_us >= SAY_US;
}

static void say_problem(struct gw_sink *sink, const char *problem)
{
    if (!may_say(sink))
        return;
    say(sink, problem);
    sink->is_failing = true;
}

static void say_success(struct gw_sink *sink)
{
    uint64_t missing = gw_sink_missing(sink) - sink->told_lost;

    if (sink->is_failing) {
        gw_notice("sink %s: takes lines again (lost meanwhile: %" PRIu64 ")", sink->name, missing);
        sink->told_lost += missing;
        sink->is_failing = false;
    } else if (missing && may_say(sink)) {
        say(sink, "lines come faster than they are taken");
    }
}

/* ── batches ──────────────────────────────────────────────────────────────── */

static void begin_batch(struct gw_sink *sink)
{
    const struct gw_sink_carrier *carrier = sink->carrier;
    unsigned most = carrier->batch_max ? carrier->batch_max : sink->options.limits.max_batch_size;
    const struct gw_sink_entry *entry = sink->oldest;
    struct gw_sink_batch *batch = &sink->batch;

    *batch = (struct gw_sink_batch){ .since_us = now(sink) };
    do {
        batch->bytes += entry->len;
        batch->count++;
        entry = entry->next;
    } while (entry && batch->count < most && batch->bytes + entry->len <= BATCH_BYTES);
    sink->state = GW_SINK_DELIVERS;
    carrier->deliver(sink);
}

/* It has been gathered for long enough, or is full. */
static bool is_complete(const struct gw_sink *sink)
{
    const struct gw_sink_limits *limits = &sink->options.limits;

    return sink->state == GW_SINK_GATHERS || sink->sinks->flushing ||
           sink->taken >= limits->max_batch_size || limits->max_coalescing_delay_us == 0;
}

static void rest(struct gw_sink *sink)
{
    bool sleeps =
        sink->state == GW_SINK_LOOKS || sink->state == GW_SINK_SLEEPS || sink->sinks->flushing;

    if (gw_sink_take(sink, sleeps)) {
        advance(sink);
        return;
    }
    if (!sleeps) {
        wait_for(sink, GW_SINK_LOOKS, LOOK_US);
        return;
    }
    gw_timer_stop(&sink->timer);
    sink->state = GW_SINK_SLEEPS;
    gw_sinks_check_flush(sink->sinks);
    if (gw_sink_retire(sink)) {
        sink->carrier->close(sink);
        gw_sink_free(sink);
    }
}

/* Whatever there is to do next. May free the sink: the last thing a caller does. */
static void advance(struct gw_sink *sink)
{
    if (sink->state == GW_SINK_RESTS) {
        sink->state = GW_SINK_DELIVERS;
        sink->carrier->deliver(sink);
        return;
    }
    gw_sink_take(sink, false);
    if (!sink->taken) {
        rest(sink);
    } else if (is_complete(sink)) {
        gw_timer_stop(&sink->timer);
        begin_batch(sink);
    } else {
        wait_for(sink, GW_SINK_GATHERS, sink->options.limits.max_coalescing_delay_us);
    }
}

/* ── the end of a delivery ────────────────────────────────────────────────── */

static void finish_batch(struct gw_sink *sink)
{
    gw_sink_release(sink, sink->batch.count);
    sink->batch = (struct gw_sink_batch){ 0 };
    advance(sink);
}

/* Half of it is chance, so that many gateways do not come back all at once. */
static uint64_t retry_delay(struct gw_sink *sink)
{
    const struct gw_sink_limits *limits = &sink->options.limits;
    unsigned doublings = sink->batch.tries < 30 ? sink->batch.tries : 30;
    uint64_t delay = limits->initial_retry_delay_us << doublings;

    if (delay > limits->max_retry_delay_us || delay >> doublings != limits->initial_retry_delay_us)
        delay = limits->max_retry_delay_us;
    return delay / 2 + gw_random_below(&sink->sinks->loop->random, delay / 2 + 1);
}

static void try_again(struct gw_sink *sink, const char *problem)
{
    uint64_t spent = now(sink) - sink->batch.since_us;
    uint64_t most = sink->options.limits.max_retry_time_us;

    atomic_fetch_add_explicit(&sink->failures, 1, memory_order_relaxed);
    if (spent >= most)
        atomic_fetch_add_explicit(&sink->lost, sink->batch.count, memory_order_relaxed);
    say_problem(sink, problem);
    if (spent >= most) {
        finish_batch(sink);
        return;
    }

    uint64_t delay = retry_delay(sink);

    sink->batch.tries++;
    wait_for(sink, GW_SINK_RESTS, delay < most - spent ? delay : most - spent);
}

static void on_ended(struct gw_defer *defer)
{
    struct gw_sink *sink = container_of(defer, struct gw_sink, ended);

    if (sink->problem) {
        try_again(sink, sink->problem);
        return;
    }
    atomic_fetch_add_explicit(&sink->sent, sink->batch.count, memory_order_relaxed);
    say_success(sink);
    finish_batch(sink);
}

void gw_sink_delivered(struct gw_sink *sink, const char *problem)
{
    GW_ASSERT(sink->state == GW_SINK_DELIVERS);
    sink->problem = problem;
    gw_loop_defer(sink->sinks->loop, &sink->ended, on_ended);
}

void gw_sink_delivered_some(struct gw_sink *sink, unsigned count)
{
    GW_ASSERT(count <= sink->batch.count);
    atomic_fetch_add_explicit(&sink->sent, count, memory_order_relaxed);
    sink->batch.count -= count;
    gw_sink_release(sink, count);
    if (count == 0)
        return;
    sink->batch.tries = 0; /* it takes lines: the others have their own time */
    sink->batch.since_us = now(sink);
}

void gw_sink_give_up_first(struct gw_sink *sink)
{
    GW_ASSERT(sink->batch.count > 0);
    atomic_fetch_add_explicit(&sink->lost, 1, memory_order_relaxed);
    sink->batch.count--;
    gw_sink_release(sink, 1);
}

/* ── files without a log writer ───────────────────────────────────────────── */

static void on_file_timer(struct gw_timer *timer);

static void write_file(struct gw_sink *sink)
{
    struct gw_sinks *sinks = sink->sinks;

    if (gw_sink_file_write(sink, false))
        gw_timer_start(sinks->loop, &sink->timer, LOOK_US, on_file_timer);
    else if (gw_sink_retire(sink))
        gw_sink_free(sink);
    gw_sinks_check_flush(sinks);
}

static void on_file_timer(struct gw_timer *timer)
{
    write_file(container_of(timer, struct gw_sink, timer));
}

/* ── from outside ─────────────────────────────────────────────────────────── */

static void wake(struct gw_sink *sink)
{
    atomic_store(&sink->waking, false);
    if (sink->sinks->stopped)
        return;
    if (!sink->carrier)
        write_file(sink);
    else if (sink->state == GW_SINK_SLEEPS || sink->state == GW_SINK_LOOKS)
        advance(sink);
    else if (sink->state == GW_SINK_GATHERS) { /* the batch may be full */
        gw_sink_take(sink, false);
        if (sink->taken >= sink->options.limits.max_batch_size)
            advance(sink);
    }
}

void gw_sink_on_wake(struct gw_message *message, struct gw_loop *loop)
{
    (void)loop;
    wake(container_of(message, struct gw_sink, wake));
}

static void on_wake_soon(struct gw_defer *defer)
{
    wake(container_of(defer, struct gw_sink, wake_soon));
}

void gw_sink_post(struct gw_sink *sink)
{
    struct gw_sinks *sinks = sink->sinks;

    if (atomic_exchange(&sink->waking, true))
        return;
    if (sinks->alone)
        gw_loop_defer(sinks->loop, &sink->wake_soon, on_wake_soon);
    else
        gw_loop_post(sinks->loop, &sink->wake);
}

void gw_sink_hurry(struct gw_sink *sink)
{
    if (!sink->carrier)
        write_file(sink);
    else if (sink->state == GW_SINK_SLEEPS || sink->state == GW_SINK_LOOKS ||
             sink->state == GW_SINK_GATHERS)
        advance(sink);
}

bool gw_sink_is_idle(const struct gw_sink *sink)
{
    return gw_sink_queue_entries(sink->queue) == 0;
}

void gw_sink_stop(struct gw_sink *sink)
{
    gw_timer_stop(&sink->timer);
    gw_defer_cancel(&sink->wake_soon);
    if (!sink->carrier) {
        gw_sink_file_write(sink, false);
        return;
    }
    gw_defer_cancel(&sink->ended);
    sink->state = GW_SINK_STOPPED;
    sink->carrier->close(sink);
}
