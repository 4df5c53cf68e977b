#include "server/loader.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/log.h"
#include "server/watchdog.h"

/* Until a configuration says lua.load_limit: its default (lua/moongate/config/top.lua). */
#define FIRST_LIMIT_US ((uint64_t)10 * 1000000)

struct gw_loader {
    struct gw_loop *loop, *control;
    struct gw_watchdog *watchdog;
    struct gw_guard guard;
    uv_thread_t thread;
};

/* A question on its way there, and the answer on its way back. */
struct job {
    struct gw_message message;
    struct gw_loader *loader;
    struct gw_load_options options;
    struct gw_load load;
    void (*done)(void *ctx, struct gw_load *load);
    void *ctx;
};

static void deliver_result(struct gw_message *message, struct gw_loop *loop)
{
    struct job *job = container_of(message, struct job, message);

    (void)loop;
    job->done(job->ctx, &job->load);
    gw_load_deinit(&job->load);
    gw_free(job);
}

static void run_job(struct gw_message *message, struct gw_loop *loop)
{
    struct job *job = container_of(message, struct job, message);

    (void)loop;
    gw_load(&job->load, &job->options);
    job->message.deliver = deliver_result;
    gw_loop_post(job->loader->control, &job->message);
}

void gw_loader_load(struct gw_loader *loader, const struct gw_load_options *options,
                    void (*done)(void *ctx, struct gw_load *load), void *ctx)
{
    struct job *job = gw_alloc_zero(sizeof(*job));

    *job = (struct job){
        .message.deliver = run_job, .loader = loader, .options = *options, .done = done, .ctx = ctx
    };
    gw_loop_post(loader->loop, &job->message);
}

struct closing {
    struct gw_message message;
    struct gw_script *script;
};

static void run_closing(struct gw_message *message, struct gw_loop *loop)
{
    struct closing *closing = container_of(message, struct closing, message);

    (void)loop;
    gw_script_free(closing->script);
    gw_free(closing);
}

void gw_loader_close_script(struct gw_loader *loader, struct gw_script *script)
{
    struct closing *closing = gw_alloc_zero(sizeof(*closing));

    closing->message.deliver = run_closing;
    closing->script = script;
    gw_loop_post(loader->loop, &closing->message);
}

static void run_thread(void *arg)
{
    struct gw_loader *loader = arg;

    gw_watchdog_watch(loader->watchdog, &loader->guard);
    gw_loop_run(loader->loop);
    gw_watchdog_forget(loader->watchdog, &loader->guard);
    gw_loop_free(loader->loop);
    loader->loop = NULL;
    gw_arena_trim();
}

struct gw_loader *gw_loader_start(struct gw_loop *control, struct gw_watchdog *watchdog)
{
    struct gw_loader *loader = gw_alloc_zero(sizeof(*loader));

    loader->control = control;
    loader->watchdog = watchdog;
    loader->guard.loading.loads = true;
    atomic_init(&loader->guard.loading.limit_us, FIRST_LIMIT_US);
    loader->loop = gw_loop_new(false);
    int error = GW_FAULT_UV(THREAD, uv_thread_create(&loader->thread, run_thread, loader));

    if (error)
        gw_fatal("cannot start a thread: %s", uv_strerror(error));
    return loader;
}

static void stop_loop(struct gw_message *message, struct gw_loop *loop)
{
    gw_loop_stop(loop);
    gw_free(message);
}

void gw_loader_stop(struct gw_loader *loader)
{
    struct gw_message *stop = gw_alloc_zero(sizeof(*stop));

    stop->deliver = stop_loop;
    gw_loop_post(loader->loop, stop);
    uv_thread_join(&loader->thread);
    gw_free(loader);
}
