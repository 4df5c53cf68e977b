#include "server/hearing.h"

#include "base/alloc.h"
#include "script/event.h"
#include "server/watchdog.h"
#include "store/redis.h"

struct gw_hearing {
    struct gw_loop *loop;
    struct gw_registry *registry;
    struct gw_watchdog *watchdog;
    struct gw_guard guard;
    struct gw_pool *pool;       /* made at first use */
    struct gw_redis_hub *redis; /* the same */
    struct gw_script *script;
};

static void on_event(void *ctx, const struct gw_health_event *event)
{
    struct gw_hearing *hearing = ctx;

    if (hearing->script)
        gw_script_tell(hearing->script, event);
}

struct gw_hearing *gw_hearing_new(struct gw_loop *loop, struct gw_registry *registry,
                                  struct gw_watchdog *watchdog)
{
    struct gw_hearing *hearing = gw_alloc_zero(sizeof(*hearing));

    hearing->loop = loop;
    hearing->registry = registry;
    hearing->watchdog = watchdog;
    gw_watchdog_watch(watchdog, &hearing->guard);
    gw_registry_listen(registry, on_event, hearing);
    return hearing;
}

void gw_hearing_commit(struct gw_hearing *hearing, struct gw_script *script)
{
    struct gw_script *before = hearing->script;

    if (script) {
        if (!hearing->pool)
            hearing->pool = gw_pool_new(hearing->loop);
        if (!hearing->redis)
            hearing->redis = gw_redis_hub_new(hearing->loop);
        gw_script_give_redis(script, hearing->redis);
        gw_script_guard(script, &hearing->guard);
        gw_script_attach(script, hearing->loop, hearing->pool, hearing->registry);
    }
    hearing->script = script;
    if (before)
        gw_script_retire(before);
    gw_script_unref(before);
}

void gw_hearing_free(struct gw_hearing *hearing)
{
    gw_registry_listen(hearing->registry, NULL, NULL);
    gw_hearing_commit(hearing, NULL);
    gw_watchdog_forget(hearing->watchdog, &hearing->guard);
    if (hearing->redis)
        gw_redis_hub_free(hearing->redis);
    if (hearing->pool)
        gw_pool_free(hearing->pool);
    gw_free(hearing);
}
