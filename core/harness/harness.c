#include "harness/harness.h"

#include "base/alloc.h"
#include "script/event.h"
#include "server/tls_services.h"
#include "sink/sink.h"
#include "store/ledger.h"
#include "store/redis.h"
#include "telemetry/access_log.h"
#include "telemetry/metrics.h"

#define TURNS_AT_ONCE 8           /* then who turns may look whether it ends at all */
#define STOP_TURNS 1000           /* given to what was told to end */
#define STOP_TIME_US 120000000ull /* and this much of its time */

/* --- life --- */

static void keep_access(void *ctx, const struct gw_access_record *record)
{
    static char line[GW_ACCESS_LINE_MAX]; /* one thread turns all harnesses */
    size_t len = gw_access_log_format(line, record);

    gw_harness_tell(ctx, GW_HARNESS_ACCESS, 0, 0, gw_slice(line, len));
}

struct gw_harness *gw_harness_new(const struct gw_harness_options *options)
{
    struct gw_harness *harness = gw_alloc_zero(sizeof(*harness));

    harness->network = options->network;
    harness->loop = gw_loop_new(!options->network);
    gw_random_seed(&harness->loop->random, options->seed);
    gw_harness_wires_init(harness);
    gw_harness_dials_init(harness);
    harness->loop->outside = &harness->outside;
    harness->registry = gw_registry_new();
    harness->pool = gw_pool_new(harness->loop);
    harness->redis = gw_redis_hub_new(harness->loop);
    harness->metrics = gw_metrics_new(1);
    harness->sinks = gw_sinks_new(&(struct gw_sinks_options){
        .loop = harness->loop, .alone = true, .no_datagrams = !options->network });
    harness->zones = gw_zones_new();
    harness->ledger = gw_ledger_new();
    harness->proxy = gw_proxy_new(&(struct gw_proxy_options){
        .loop = harness->loop,
        .pool = harness->pool,
        .registry = harness->registry,
        .metrics = harness->metrics,
        .on_log = keep_access,
        .ctx = harness,
    });
    return harness;
}

/* Not where the last reference fell: that may be below a hook of this very script. */
static void on_unused(struct gw_script *script, void *ctx)
{
    struct gw_harness *harness = ctx;
    size_t count = harness->unused_count + 1;

    harness->unused = gw_realloc(harness->unused, count * sizeof(harness->unused[0]));
    harness->unused[harness->unused_count++] = script;
}

static void free_unused(struct gw_harness *harness)
{
    for (unsigned i = 0; i < harness->unused_count; i++)
        gw_script_free(harness->unused[i]);
    gw_free(harness->unused);
    harness->unused = NULL;
    harness->unused_count = 0;
}

static void drop_events(struct gw_harness *harness)
{
    struct gw_harness_event *event;

    while ((event = gw_harness_take(harness)))
        gw_free(event);
}

void gw_harness_free(struct gw_harness *harness)
{
    gw_sinks_stop(harness->sinks);
    gw_harness_wires_deinit(harness);
    gw_proxy_free(harness->proxy);
    gw_script_unref(harness->script);
    free_unused(harness);
    gw_config_unref(harness->config);
    gw_redis_hub_free(harness->redis);
    gw_pool_free(harness->pool);
    gw_registry_stop(harness->registry);
    gw_loop_free(harness->loop);
    gw_sinks_free(harness->sinks);
    gw_registry_free(harness->registry);
    gw_zones_free(harness->zones);
    gw_ledger_free(harness->ledger);
    gw_metrics_free(harness->metrics);
    gw_harness_dials_deinit(harness);
    drop_events(harness); /* the last lines of the log */
    gw_free(harness);
}

/* --- a generation --- */

static void on_health_event(void *ctx, const struct gw_health_event *event)
{
    struct gw_harness *harness = ctx;

    if (harness->script)
        gw_script_tell(harness->script, event);
}

/* As a worker does it (worker.c). */
static void commit(struct gw_harness *harness, struct gw_config *config, struct gw_script *script)
{
    struct gw_config *config_before = harness->config;
    struct gw_script *script_before = harness->script;

    gw_sinks_reopen_files(harness->sinks);
    gw_registry_bind(harness->registry, config);
    gw_registry_listen(harness->registry, on_health_event, harness);
    gw_registry_run(harness->registry, harness->loop, NULL, NULL);
    gw_script_give_redis(script, harness->redis);
    gw_script_attach(script, harness->loop, harness->pool, harness->registry);
    if (script_before)
        gw_script_retire(script_before);
    gw_proxy_set_current(harness->proxy, config, script);
    harness->config = config;
    harness->script = script;
    gw_script_unref(script_before);
    gw_config_unref(config_before);
    gw_harness_turn(harness, false); /* names get their addresses */
}

bool gw_harness_load(struct gw_harness *harness, struct gw_config *config, const char *home,
                     struct lua_State *L, int loader, char **why)
{
    const struct gw_script_options options = {
        .config = config,
        .home = home,
        .sinks = harness->sinks,
        .ledger = harness->ledger,
        .zones = harness->zones,
        .metrics = harness->metrics,
        .clock = &harness->loop->clock,
        .on_unused = on_unused,
        .on_unused_ctx = harness,
        .borrowed = L,
        .loader = loader,
    };
    struct gw_script *script;
    char problem[512];

    if (!gw_tls_services_bind(config, problem, sizeof(problem))) {
        *why = gw_strndup(problem, strlen(problem));
        gw_config_unref(config);
        return false;
    }
    config->generation = harness->config ? harness->config->generation + 1 : 1;
    script = gw_script_new(&options, why);
    if (!script) {
        gw_config_unref(config);
        return false;
    }
    commit(harness, config, script);
    return true;
}

/* --- turning --- */

bool gw_harness_turn(struct gw_harness *harness, bool wait)
{
    struct gw_loop *loop = harness->loop;

    for (unsigned i = 0; i < TURNS_AT_ONCE; i++) {
        gw_loop_turn(loop, wait && i == 0 && gw_list_empty(&harness->events));
        free_unused(harness);
        if (gw_list_empty(&loop->deferred) || !gw_list_empty(&harness->events))
            break;
    }
    return !gw_list_empty(&loop->deferred);
}

bool gw_harness_step(struct gw_harness *harness, uint64_t limit_us)
{
    struct gw_loop *loop = harness->loop;
    uint64_t now = loop->clock.now_us, due;

    if (!gw_loop_next_timer(loop, &due) || due > now + limit_us) {
        gw_loop_advance(loop, limit_us);
        return false;
    }
    gw_loop_advance(loop, due > now ? due - now : 0);
    return true;
}

/* --- the end --- */

static bool is_done(const struct gw_harness *harness)
{
    return gw_proxy_active(harness->proxy) == 0 && gw_list_empty(&harness->sessions);
}

bool gw_harness_stop(struct gw_harness *harness)
{
    uint64_t end_us = harness->loop->clock.now_us + STOP_TIME_US;

    if (harness->script)
        gw_script_retire(harness->script);
    gw_proxy_abort(harness->proxy, GW_E_SHUTDOWN);
    gw_sinks_stop(harness->sinks);
    gw_harness_wires_deinit(harness);
    for (unsigned i = 0; i < STOP_TURNS && !is_done(harness); i++) {
        gw_harness_turn(harness, false);
        drop_events(harness);
        if (!harness->network && harness->loop->clock.now_us < end_us)
            gw_harness_step(harness, end_us - harness->loop->clock.now_us);
    }
    return is_done(harness);
}
