#include "net/loop.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/conn_private.h"
#include "net/mailbox.h"
#include "net/resolver.h"
#include "net/timers.h"

/* Deferred calls made by deferred calls run in the same turn, but I/O gets its turn after so many.
 */
#define DEFERRED_A_TURN 1024

/* Turns given to close callbacks before what is left counts as forgotten. */
#define CLOSING_TURNS 64

static void before_poll(uv_prepare_t *prepare)
{
    struct gw_loop *loop = prepare->data;

    loop->clock_fresh = false; /* polling may take any time */
}

struct gw_loop *gw_loop_new(bool virtual_clock)
{
    struct gw_loop *loop = gw_alloc_zero(sizeof(*loop));

    int error = GW_FAULT_UV(LOOP, uv_loop_init(&loop->uv));

    if (error)
        gw_fatal("cannot make an event loop: %s (raise the limit of open files: LimitNOFILE= or "
                 "ulimit -n)",
                 uv_strerror(error));
    gw_clock_init(&loop->clock, virtual_clock);
    gw_random_init(&loop->random);
    gw_list_init(&loop->deferred);
    gw_list_init(&loop->lingering);
    gw_list_init(&loop->relief.givers);
    loop->read_buffer = gw_alloc(GW_READ_BUFFER_SIZE);
    loop->timers = gw_timers_new(loop);
    loop->mailbox = gw_mailbox_new(loop);
    loop->before_poll = gw_alloc_zero(sizeof(*loop->before_poll));
    loop->before_poll->data = loop;
    GW_ASSERT(uv_prepare_init(&loop->uv, loop->before_poll) == 0);
    GW_ASSERT(uv_prepare_start(loop->before_poll, before_poll) == 0);
    uv_unref((uv_handle_t *)loop->before_poll);
    return loop;
}

static void run_deferred(struct gw_loop *loop)
{
    struct gw_list_node *node;

    for (int left = DEFERRED_A_TURN; left && (node = gw_list_first(&loop->deferred)); left--) {
        struct gw_defer *defer = container_of(node, struct gw_defer, node);

        gw_loop_woke(loop);
        gw_list_remove(node);
        defer->run(defer); /* may free it */
    }
}

static void turn(struct gw_loop *loop, bool wait)
{
    bool idle = gw_list_empty(&loop->deferred);

    uv_run(&loop->uv, wait && idle ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    run_deferred(loop);
}

void gw_loop_run(struct gw_loop *loop)
{
    while (!loop->stopping)
        turn(loop, true);
    loop->stopping = false;
}

void gw_loop_stop(struct gw_loop *loop)
{
    loop->stopping = true;
}

static bool has_open_handles(struct gw_loop *loop)
{
    uv_unref(gw_mailbox_handle(loop->mailbox)); /* it is there to make the loop wait */
    bool alive = uv_loop_alive(&loop->uv) != 0;

    uv_ref(gw_mailbox_handle(loop->mailbox));
    return alive;
}

bool gw_loop_turn(struct gw_loop *loop, bool wait)
{
    /* Only what can wake it is worth blocking for: a virtual clock's timers never do. */
    if (wait && !has_open_handles(loop))
        wait = !loop->clock.is_virtual && gw_timers_first(loop->timers);
    turn(loop, wait);
    return has_open_handles(loop) || !gw_list_empty(&loop->deferred) ||
           gw_timers_first(loop->timers);
}

void gw_loop_advance(struct gw_loop *loop, uint64_t by_us)
{
    uint64_t until_us = loop->clock.now_us + by_us;

    GW_ASSERT(loop->clock.is_virtual);
    do
        run_deferred(loop);
    while (gw_timers_fire_next(loop->timers, until_us));
    if (until_us > loop->clock.now_us)
        gw_clock_advance(&loop->clock, until_us - loop->clock.now_us);
}

void gw_loop_defer(struct gw_loop *loop, struct gw_defer *defer, void (*run)(struct gw_defer *))
{
    defer->run = run;
    if (!gw_list_linked(&defer->node))
        gw_list_append(&loop->deferred, &defer->node);
}

void gw_defer_cancel(struct gw_defer *defer)
{
    gw_list_remove(&defer->node);
}

void gw_loop_post(struct gw_loop *loop, struct gw_message *message)
{
    gw_mailbox_post(loop->mailbox, message);
}

static void free_handle(uv_handle_t *handle)
{
    gw_free(handle);
}

static void log_open_handle(uv_handle_t *handle, void *count)
{
    unsigned *left = count;

    ++*left;
    gw_error("loop: a %s handle is still open%s", uv_handle_type_name(handle->type),
             uv_is_closing(handle) ? " (closing)" : "");
}

/* Turns until nothing is open but what the loop itself owns, or it takes too long to be true. */
static void settle(struct gw_loop *loop)
{
    for (int i = 0; i < CLOSING_TURNS; i++) {
        turn(loop, false);
        if (!has_open_handles(loop) && gw_list_empty(&loop->deferred))
            break;
    }
}

void gw_loop_free(struct gw_loop *loop)
{
    gw_conn_cut_lingering(loop);
    if (loop->resolver)
        gw_resolver_free(loop->resolver);
    loop->resolver = NULL;
    settle(loop); /* delivers the last messages too */
    gw_mailbox_close(loop->mailbox);
    gw_timers_close(loop->timers);
    uv_close((uv_handle_t *)loop->before_poll, free_handle);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    if (uv_loop_close(&loop->uv) != 0) {
        unsigned left = 0;

        uv_walk(&loop->uv, log_open_handle, &left);
        gw_error("loop: leaving %u open handles behind", left);
        return; /* they point into the loop: it stays */
    }
    gw_free(loop->tls_room);
    gw_free(loop->h2_room);
    gw_free(loop->read_buffer);
    gw_free(loop);
}
