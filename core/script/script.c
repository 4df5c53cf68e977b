#include "script/script.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "script/gates.h"
#include "script/guard.h"
#include "script/run.h"
#include "script/state.h"
#include "telemetry/metrics.h"

#include <string.h>

/* --- the state's memory --- */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1 /* it shall see every object */
#else
#define SANITIZED 0
#endif

/* What is left for everybody else when those who are not trusted have filled their share. */
#define UNTRUSTED_SHARE(max) ((max) / 4 * 3)

static bool is_untrusted(const struct gw_script *script)
{
    return script->now.pdk && script->uses[script->now.pdk->use].untrusted;
}

static bool over_limit(const struct gw_script *script, size_t used)
{
    return used > script->untrusted_max && (used > script->memory_max || is_untrusted(script));
}

/* One thread at a time allocates; others only read the count. While the state itself is made there
 * is no limit: LuaJIT crashes when it has to take a half-made one down again. */
static void *allocate(void *ctx, void *ptr, size_t old_size, size_t new_size)
{
    struct gw_script *script = ctx;
    size_t used = atomic_load_explicit(&script->memory, memory_order_relaxed) - old_size;

    if (script->L && new_size > old_size &&
        (over_limit(script, used + new_size) || GW_FAULT(LUA_MEMORY)))
        return NULL; /* Lua raises "not enough memory" */
    atomic_store_explicit(&script->memory, used + new_size, memory_order_relaxed);
    return gw_pieces_resize(&script->pieces, ptr, old_size, new_size);
}

/* Only reached when something was called unprotected: our own mistake. */
static int on_panic(lua_State *L)
{
    const char *text = lua_tostring(L, -1);

    gw_error("Lua raised an error that nobody caught: %s", text ? text : "(no text)");
    GW_ASSERT(!"Lua was called unprotected");
    return 0;
}

bool gw_script_protect(struct gw_script *script, lua_CFunction function, void *argument, char **why)
{
    lua_State *L = script->L;
    int top = lua_gettop(L);
    bool guarded = gw_guard_enter(script->guard, script, false);
    int status = lua_cpcall(L, function, argument);

    if (guarded)
        gw_guard_leave(script->guard, script->current != NULL);

    if (status && why) {
        const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;

        if (status == LUA_ERRMEM)
            text = "not enough memory (lua.memory)";
        else if (!text)
            text = "an error without text";
        *why = gw_strndup(text, strlen(text));
    }
    lua_settop(L, top);
    return status == 0;
}

static int collect(lua_State *L)
{
    lua_gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* Above lua.memory, for who makes room: where the last byte is taken, calling the collector takes
 * memory, too, and the state would stay full for ever. */
#define COLLECT_RESERVE ((size_t)256 * 1024)

void gw_script_collect(struct gw_script *script)
{
    size_t max = script->memory_max;

    if (max < SIZE_MAX - COLLECT_RESERVE)
        script->memory_max = max + COLLECT_RESERVE;
    gw_script_protect(script, collect, NULL, NULL);
    script->memory_max = max;
}

/* Lua collects when its heap has doubled, which may be too late for those who get a share of it
 * alone. What still lives after a collection is not looked through again before it has grown. */
void gw_script_make_room(struct gw_script *script)
{
    size_t used = gw_script_memory(script);

    if (used < script->untrusted_max / 2 || used < script->collected_at + script->memory_max / 16)
        return;
    gw_script_collect(script);
    script->collected_at = gw_script_memory(script);
}

/* --- a borrowed state --- */

/* Its memory is the state's for good: who keeps a ctx or a function of the PDK past the end of the
 * script finds it empty instead of freed. */
static struct gw_script *new_borrowing(const struct gw_script_options *options)
{
    lua_State *L = options->borrowed;
    struct gw_script *script = lua_newuserdata(L, sizeof(*script));

    memset(script, 0, sizeof(*script));
    luaL_ref(L, LUA_REGISTRYINDEX); /* never given back */
    script->L = lua_newthread(L);
    script->thread_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    script->borrowed = true;
    script->loader = options->loader;
    return script;
}

void gw_script_forget(struct gw_script *script, int ref)
{
    if (script->borrowed)
        luaL_unref(script->L, LUA_REGISTRYINDEX, ref);
}

static void give_back(struct gw_script *script)
{
    for (int i = 0; i < GW_PHASE_COUNT; i++)
        gw_script_forget(script, script->phase_refs[i]);
    gw_script_forget(script, script->new_slot_ref);
    gw_script_forget(script, script->thread_ref);
    memset(script, 0, sizeof(*script));
}

/* --- life --- */

struct gw_script *gw_script_new(const struct gw_script_options *options, char **why)
{
    struct gw_script *script =
        options->borrowed ? new_borrowing(options) : gw_alloc_zero(sizeof(*script));
    struct gw_config *config = options->config;

    *why = NULL;
    gw_refs_init(&script->refs);
    gw_list_init(&script->running);
    gw_list_init(&script->idle);
    gw_list_init(&script->tasks);
    gw_pieces_init(&script->pieces);
    gw_random_init(&script->random);
    script->config = gw_config_ref(config);
    script->generation = config->generation;
    script->worker = options->worker;
    script->sinks = options->sinks;
    script->ledger = options->ledger;
    script->for_events = options->hears;
    script->memory_max = config->lua_memory ? config->lua_memory : SIZE_MAX;
    script->untrusted_max = UNTRUSTED_SHARE(script->memory_max);
    script->on_unused = options->on_unused;
    script->on_unused_ctx = options->on_unused_ctx;
    script->free_ctx = -1;
    script->retire_ref = LUA_NOREF;
    script->init_clock = options->clock;
    script->owns_metrics = !options->metrics;
    script->metrics = options->metrics ? options->metrics : gw_metrics_new(options->worker + 1);
    script->owns_zones = !options->zones;
    script->zones = options->zones ? options->zones : gw_zones_new();
    if (!script->borrowed) {
        script->L = lua_newstate(allocate, script);
        GW_ASSERT(script->L); /* only memory could be missing, and that ends in base/alloc */
        lua_atpanic(script->L, on_panic);
    }
    if (!gw_script_load(script, options->home, why)) {
        gw_script_free(script);
        return NULL;
    }
    script->for_events = NULL;
    return script;
}

void gw_script_attach(struct gw_script *script, struct gw_loop *loop, struct gw_pool *pool,
                      struct gw_registry *registry)
{
    if (!script->borrowed && !SANITIZED)
        gw_pieces_open(&script->pieces);
    script->loop = loop;
    script->pool = pool;
    script->registry = registry;
    gw_script_apply_zones(script);
    gw_tasks_begin(script);
}

struct gw_clock gw_script_clock(const struct gw_script *script)
{
    struct gw_clock clock;

    if (script->loop)
        return script->loop->clock;
    if (script->init_clock)
        return *script->init_clock;
    gw_clock_init(&clock, false);
    gw_clock_refresh(&clock);
    return clock;
}

void gw_script_guard(struct gw_script *script, struct gw_guard *guard)
{
    script->guard = guard;
}

void gw_script_give_redis(struct gw_script *script, struct gw_redis_hub *redis)
{
    script->redis = redis;
}

void gw_script_watch(struct gw_script *script, struct gw_call_watch *watch)
{
    script->watch = watch;
}

struct gw_script *gw_script_ref(struct gw_script *script)
{
    gw_refs_add(&script->refs);
    return script;
}

void gw_script_unref(struct gw_script *script)
{
    if (script && gw_refs_drop(&script->refs))
        script->on_unused(script, script->on_unused_ctx);
}

static int call_retire(lua_State *L)
{
    const struct gw_script *script = lua_touserdata(L, 1);

    lua_rawgeti(L, LUA_REGISTRYINDEX, script->retire_ref);
    lua_call(L, 0, 0);
    return 0;
}

/* Once: what it holds for others is given back. */
static void tell_of_end(struct gw_script *script)
{
    int ref = script->retire_ref;
    char *why = NULL;

    if (ref == LUA_NOREF || !script->loop)
        return;
    if (!gw_script_protect(script, call_retire, script, &why))
        gw_error("the end of generation %llu: %s", (unsigned long long)script->generation, why);
    gw_free(why);
    script->retire_ref = LUA_NOREF;
    gw_script_forget(script, ref);
}

/* Running exchanges keep their runs. */
void gw_script_retire(struct gw_script *script)
{
    tell_of_end(script);
    gw_tasks_cancel(script);
    gw_events_cancel(script);
    gw_debug("generation %llu of worker %u is no longer current",
             (unsigned long long)script->generation, script->worker);
}

void gw_script_free(struct gw_script *script)
{
    script->guard = NULL; /* another thread's */
    gw_run_free_all(script);
    if (script->L && !script->borrowed)
        lua_close(script->L);
    gw_pieces_deinit(&script->pieces);
    gw_gate_wait_free(script);
    gw_tasks_free(script);
    gw_events_free(script);
    gw_script_close_sinks(script);
    gw_script_forget_redis(script);
    gw_ctx_free_all(script);
    gw_script_release_zones(script);
    gw_script_free_crypto(script);
    if (script->owns_metrics)
        gw_metrics_free(script->metrics);
    for (unsigned i = 0; i < script->use_count; i++)
        gw_free(script->uses[i].plugin);
    gw_free(script->uses);
    gw_free(script->accounts);
    gw_free(script->phases);
    gw_config_unref(script->config);
    if (script->borrowed)
        give_back(script);
    else
        gw_free(script);
}

unsigned gw_script_waiting(const struct gw_script *script)
{
    unsigned count = 0;

    GW_LIST_EACH(&script->running, node)
        count++;
    return count;
}

size_t gw_script_memory(const struct gw_script *script)
{
    return atomic_load_explicit(&script->memory, memory_order_relaxed);
}

uint64_t gw_script_generation(const struct gw_script *script)
{
    return script->config->generation;
}

unsigned gw_script_phases(const struct gw_script *script, const struct gw_route *route)
{
    return script->phases[route ? route->index : script->config->route_count];
}
