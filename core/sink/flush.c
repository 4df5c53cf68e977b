/* The end of the sinks' part on the loop: what waits is delivered within a bound, then everything
 * is closed. */
#include "base/check.h"
#include "sink/sink_private.h"
#include "upstream/pool.h"

static bool is_on_loop(const struct gw_sink *sink)
{
    return sink->carrier || sink->sinks->alone;
}

/* The next one behind `sink` that the loop delivers; only the loop takes those out of the list. */
static struct gw_sink *next_on_loop(struct gw_sinks *sinks, struct gw_sink *sink)
{
    struct gw_sink *next = NULL;

    pthread_mutex_lock(&sinks->lock);
    for (struct gw_list_node *node = sink ? sink->node.next : sinks->all.root.next;
         node != &sinks->all.root && !next; node = node->next) {
        next = container_of(node, struct gw_sink, node);
        if (!is_on_loop(next))
            next = NULL;
    }
    pthread_mutex_unlock(&sinks->lock);
    return next;
}

static void say_flushed(struct gw_defer *defer)
{
    struct gw_sinks *sinks = container_of(defer, struct gw_sinks, flushed);
    void (*done)(void *ctx) = sinks->flush_done;

    gw_timer_stop(&sinks->flush_timer);
    sinks->flush_done = NULL;
    if (done)
        done(sinks->flush_ctx);
}

static void on_flush_timer(struct gw_timer *timer)
{
    say_flushed(&container_of(timer, struct gw_sinks, flush_timer)->flushed);
}

void gw_sinks_check_flush(struct gw_sinks *sinks)
{
    if (!sinks->flushing || !sinks->flush_done)
        return;
    for (struct gw_sink *sink = next_on_loop(sinks, NULL); sink; sink = next_on_loop(sinks, sink))
        if (!gw_sink_is_idle(sink))
            return;
    gw_loop_defer(sinks->loop, &sinks->flushed, say_flushed);
}

void gw_sinks_flush(struct gw_sinks *sinks, uint64_t timeout_us, void (*done)(void *ctx), void *ctx)
{
    struct gw_sink *next;

    sinks->flushing = true;
    sinks->flush_done = done;
    sinks->flush_ctx = ctx;
    gw_timer_start(sinks->loop, &sinks->flush_timer, timeout_us, on_flush_timer);
    for (struct gw_sink *sink = next_on_loop(sinks, NULL); sink; sink = next) {
        next = next_on_loop(sinks, sink);
        gw_sink_hurry(sink); /* may free it */
    }
    gw_sinks_check_flush(sinks);
}

void gw_sinks_stop(struct gw_sinks *sinks)
{
    pthread_mutex_lock(&sinks->lock);
    bool before = sinks->stopped;

    sinks->stopped = true;
    pthread_mutex_unlock(&sinks->lock);
    if (before)
        return;
    gw_timer_stop(&sinks->flush_timer);
    gw_defer_cancel(&sinks->flushed);
    for (struct gw_sink *sink = next_on_loop(sinks, NULL); sink; sink = next_on_loop(sinks, sink))
        gw_sink_stop(sink);
    if (sinks->pool)
        gw_pool_free(sinks->pool);
    sinks->pool = NULL;
}
