/* A worker's life: its thread makes pool and proxy and turns the loop. A commit arrives as a
 * message and is taken between two turns, so new requests, on open connections too, get the new
 * generation while running ones keep theirs. A drain closes the front, lets sessions and exchanges
 * come to their end, ends them by force after its time, takes everything down and leaves. */
#include "server/worker.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/relief.h"
#include "proxy/proxy.h"
#include "server/front.h"
#include "server/log_writer.h"
#include "server/name_rules.h"
#include "server/watchdog.h"
#include "store/redis.h"

#include <inttypes.h>

#define DRAIN_LOOK_US 10000   /* how often a draining worker looks whether it is done */
#define RETIRE_LOOK_US 200000 /* the same where that may take days */
#define ABORT_TIME_US                                                                              \
    1000000 /* between the abort of exchanges and the close of their connections */
#define GIVE_UP_TIME_US 10000000 /* then something is wrong with us */

enum drain {
    DRAIN_NO,
    DRAIN_RETIRES, /* waits for what runs, without an end */
    DRAIN_WAITS,   /* for what runs */
    DRAIN_ABORTS,  /* told it to end */
    DRAIN_CLOSES,  /* closed every connection */
};

struct gw_worker {
    struct gw_worker_options options;
    uv_mutex_t lock;      /* between who posts and the thread that ends */
    struct gw_loop *loop; /* NULL once the thread has ended */
    uv_thread_t thread;
    struct gw_pool *pool;
    struct gw_redis_hub *redis;
    struct gw_proxy *proxy;
    struct gw_script
        *script; /* of the current generation, one reference; NULL before the first commit */
    struct gw_front front;
    struct gw_guard guard;
    enum drain drain;
    struct gw_timer drain_timer;
    uint64_t drain_deadline_us;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* A word to another thread's loop that something is done. */
struct word {
    struct gw_message message;
    void (*done)(void *ctx);
    void *ctx;
};

static void deliver_word(struct gw_message *message, struct gw_loop *loop)
{
    struct word *word = container_of(message, struct word, message);

    (void)loop;
    word->done(word->ctx);
    gw_free(word);
}

static void send_word(struct gw_loop *to, void (*done)(void *ctx), void *ctx)
{
    struct word *word = gw_alloc_zero(sizeof(*word));

    *word = (struct word){ .message.deliver = deliver_word, .done = done, .ctx = ctx };
    gw_loop_post(to, &word->message);
}

/* --- commit --- */

struct commit {
    struct gw_message message;
    struct gw_worker *worker;
    struct gw_config *config;
    struct gw_script *script;
    struct gw_port_share *shares;
    unsigned share_count;
    void (*taken)(void *ctx);
    void *ctx;
};

static void take_commit(struct gw_message *message, struct gw_loop *loop)
{
    struct commit *commit = container_of(message, struct commit, message);
    struct gw_worker *worker = commit->worker;
    struct gw_script *before = worker->script;

    gw_script_guard(commit->script, &worker->guard);
    gw_script_give_redis(commit->script, worker->redis);
    gw_name_rules_use(loop, commit->config);
    gw_script_attach(commit->script, loop, worker->pool, worker->options.registry);
    if (before)
        gw_script_retire(before);
    gw_proxy_set_current(worker->proxy, commit->config, commit->script);
    worker->script = commit->script;
    gw_script_unref(before);
    gw_config_unref(commit->config);
    if (worker->drain == DRAIN_NO)
        gw_front_arrange(&worker->front, commit->shares, commit->share_count);
    send_word(worker->options.control, commit->taken, commit->ctx);
    gw_free(commit);
}

void gw_worker_commit(struct gw_worker *worker, struct gw_config *config, struct gw_script *script,
                      struct gw_port_share *shares, unsigned share_count, void (*taken)(void *ctx),
                      void *ctx)
{
    struct commit *commit = gw_alloc_zero(sizeof(*commit));

    *commit = (struct commit){ .message.deliver = take_commit,
                               .worker = worker,
                               .config = config,
                               .script = script,
                               .shares = shares,
                               .share_count = share_count,
                               .taken = taken,
                               .ctx = ctx };
    gw_loop_post(worker->loop, &commit->message);
}

/* --- the end of an older generation --- */

struct ending {
    struct gw_message message;
    struct gw_worker *worker;
    uint64_t generation;
};

static void take_ending(struct gw_message *message, struct gw_loop *loop)
{
    struct ending *ending = container_of(message, struct ending, message);

    (void)loop;
    gw_proxy_end_generation(ending->worker->proxy, ending->generation);
    gw_free(ending);
}

void gw_worker_end_generation(struct gw_worker *worker, uint64_t generation)
{
    struct ending *ending = gw_alloc_zero(sizeof(*ending));

    *ending = (struct ending){ .message.deliver = take_ending,
                               .worker = worker,
                               .generation = generation };
    uv_mutex_lock(&worker->lock);
    if (worker->loop)
        gw_loop_post(worker->loop, &ending->message);
    else
        gw_free(ending);
    uv_mutex_unlock(&worker->lock);
}

/* --- drain --- */

static bool is_done(const struct gw_worker *worker)
{
    return gw_front_empty(&worker->front) && gw_proxy_active(worker->proxy) == 0;
}

/* A request that cannot be ended is a mistake of ours: say which, and do not hang. */
static _Noreturn void give_up(struct gw_worker *worker)
{
    struct gw_buf text;

    gw_buf_init(&text, 64 * 1024);
    gw_proxy_describe(worker->proxy, &text);
    gw_error("worker %u: %u requests do not end: %.*s", worker->options.index,
             gw_proxy_active(worker->proxy), GW_SLICE_ARG(gw_buf_slice(&text)));
    gw_check_failed("a drained worker ends", __FILE__, __LINE__, __func__);
}

static void look_at_drain(struct gw_timer *timer)
{
    struct gw_worker *worker = container_of(timer, struct gw_worker, drain_timer);
    uint64_t now = worker->loop->clock.now_us;

    if (is_done(worker)) {
        gw_loop_stop(worker->loop);
        return;
    }
    if (worker->drain != DRAIN_RETIRES && now >= worker->drain_deadline_us) {
        switch (worker->drain) {
        case DRAIN_NO:
        case DRAIN_RETIRES:
        case DRAIN_WAITS:
            worker->drain = DRAIN_ABORTS;
            worker->drain_deadline_us = now + ABORT_TIME_US;
            gw_proxy_abort(worker->proxy, GW_E_SHUTDOWN);
            break;
        case DRAIN_ABORTS:
            worker->drain = DRAIN_CLOSES;
            worker->drain_deadline_us = now + GIVE_UP_TIME_US;
            gw_front_close(&worker->front);
            break;
        case DRAIN_CLOSES:
            give_up(worker);
        }
    }
    gw_timer_start(worker->loop, timer,
                   worker->drain == DRAIN_RETIRES ? RETIRE_LOOK_US : DRAIN_LOOK_US, look_at_drain);
}

struct drain_order {
    struct gw_message message;
    struct gw_worker *worker;
    bool retires; /* then there is no timeout */
    uint64_t timeout_us;
    void (*done)(void *ctx);
    void *ctx;
};

static void begin_drain(struct gw_worker *worker, const struct drain_order *order)
{
    worker->drained = order->done;
    worker->drained_ctx = order->ctx;
    if (order->retires) {
        worker->drain = DRAIN_RETIRES;
        gw_front_retire(&worker->front);
        if (worker->script)
            gw_script_retire(worker->script);
    } else {
        worker->drain = DRAIN_WAITS;
        gw_front_drain(&worker->front);
    }
    gw_timer_start(worker->loop, &worker->drain_timer, 0, look_at_drain);
}

static void take_drain(struct gw_message *message, struct gw_loop *loop)
{
    struct drain_order *order = container_of(message, struct drain_order, message);
    struct gw_worker *worker = order->worker;
    uint64_t deadline = loop->clock.now_us + order->timeout_us;

    switch (worker->drain) {
    case DRAIN_NO:
        worker->drain_deadline_us = deadline;
        begin_drain(worker, order);
        break;
    case DRAIN_RETIRES:
        worker->drain_deadline_us = deadline;
        worker->drain = DRAIN_WAITS;
        gw_front_drain(&worker->front);
        break;
    case DRAIN_WAITS:
        if (deadline < worker->drain_deadline_us)
            worker->drain_deadline_us = deadline;
        break;
    case DRAIN_ABORTS:
    case DRAIN_CLOSES:
        break;
    }
    gw_free(order);
}

static void post_drain(struct gw_worker *worker, const struct drain_order *order)
{
    struct drain_order *copy = gw_alloc_zero(sizeof(*copy));

    *copy = *order;
    copy->message.deliver = take_drain;
    copy->worker = worker;
    uv_mutex_lock(&worker->lock);
    if (worker->loop)
        gw_loop_post(worker->loop, &copy->message);
    else
        gw_free(copy);
    uv_mutex_unlock(&worker->lock);
}

void gw_worker_drain(struct gw_worker *worker, uint64_t timeout_us, void (*done)(void *ctx),
                     void *ctx)
{
    const struct drain_order order = { .timeout_us = timeout_us, .done = done, .ctx = ctx };

    post_drain(worker, &order);
}

void gw_worker_retire(struct gw_worker *worker, void (*done)(void *ctx), void *ctx)
{
    const struct drain_order order = { .retires = true, .done = done, .ctx = ctx };

    post_drain(worker, &order);
}

/* --- descriptors for others --- */

static void take_relief(struct gw_message *message, struct gw_loop *loop)
{
    gw_loop_relieve(loop);
    gw_free(message);
}

void gw_worker_relieve(struct gw_worker *worker)
{
    struct gw_message *message = gw_alloc_zero(sizeof(*message));

    message->deliver = take_relief;
    uv_mutex_lock(&worker->lock);
    if (worker->loop)
        gw_loop_post(worker->loop, message);
    else
        gw_free(message);
    uv_mutex_unlock(&worker->lock);
}

/* --- what others may know --- */

struct gw_worker_numbers gw_worker_numbers(struct gw_worker *worker)
{
    struct gw_worker_numbers numbers = { 0 };

    uv_mutex_lock(&worker->lock);
    if (worker->loop && worker->proxy) {
        numbers.requests = gw_proxy_active(worker->proxy);
        numbers.pooled = gw_pool_idle(worker->pool);
        numbers.shed = gw_loop_relieved(worker->loop);
    }
    uv_mutex_unlock(&worker->lock);
    return numbers;
}

/* --- the thread --- */

static void write_access(void *ctx, const struct gw_access_record *record)
{
    struct gw_worker *worker = ctx;

    gw_log_writer_access(worker->options.log_writer, worker->options.index, record);
}

static void take_down(struct gw_worker *worker)
{
    struct gw_loop *loop = worker->loop;

    gw_timer_stop(&worker->drain_timer);
    if (worker->script)
        gw_script_retire(worker->script);
    uv_mutex_lock(&worker->lock);
    worker->loop = NULL; /* nobody asks us any more */
    uv_mutex_unlock(&worker->lock);
    gw_proxy_free(worker->proxy);
    worker->proxy = NULL;
    gw_script_unref(worker->script);
    worker->script = NULL;
    gw_watchdog_forget(worker->options.watchdog, &worker->guard);
    gw_redis_hub_free(worker->redis);
    worker->redis = NULL;
    gw_pool_free(worker->pool);
    worker->pool = NULL;
    gw_loop_free(loop);
    gw_arena_trim();
}

static void run_thread(void *arg)
{
    struct gw_worker *worker = arg;
    struct gw_proxy_options options = {
        .loop = worker->loop,
        .pool = gw_pool_new(worker->loop),
        .registry = worker->options.registry,
        .metrics = worker->options.metrics,
        .worker = worker->options.index,
        .on_log = write_access,
        .ctx = worker,
    };

    uv_mutex_lock(&worker->lock);
    worker->pool = options.pool;
    worker->redis = gw_redis_hub_new(worker->loop);
    worker->proxy = gw_proxy_new(&options);
    uv_mutex_unlock(&worker->lock);
    gw_watchdog_watch(worker->options.watchdog, &worker->guard);
    gw_front_init(&worker->front, worker->loop, worker->proxy);
    gw_loop_run(worker->loop);
    take_down(worker);
    send_word(worker->options.control, worker->drained, worker->drained_ctx);
}

struct gw_worker *gw_worker_start(const struct gw_worker_options *options)
{
    struct gw_worker *worker = gw_alloc_zero(sizeof(*worker));

    worker->options = *options;
    uv_mutex_init(&worker->lock);
    worker->loop = gw_loop_new(false);
    worker->loop->index = options->index;
    int error = GW_FAULT_UV(THREAD, uv_thread_create(&worker->thread, run_thread, worker));

    if (error)
        gw_fatal("cannot start a thread: %s", uv_strerror(error));
    return worker;
}

void gw_worker_join(struct gw_worker *worker)
{
    uv_thread_join(&worker->thread);
    uv_mutex_destroy(&worker->lock);
    gw_free(worker);
}
