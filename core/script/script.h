#pragma once
/* One Lua state of one generation for one worker (or for control). Built and closed on the loader
 * thread, run by one thread in between. Counted by the exchanges that may still run a hook of it
 * and by whoever holds it as current.
 *
 * What config->plan holds (a table encoded with string.buffer; indexes are those of the C structs
 * plus one):
 *
 *   plugins    every plugin that a use names: { [name] = { dir = "/abs/plugins/key-auth" } }
 *   uses       { { plugin = name, conf = {…}, on_error = "reply" | "skip", when = "…" or nil,
 *                  where = "routes[0].plugins[1]", id = "…",
 *                  scope = { route, service, consumer = indices, consumer_group = name } } }
 *   plans      { { entry, … }, … }, each in order of running; routes share equal ones
 *   global     index in plans, for requests without a route
 *   routes     { { name, id, …, service = index in services, plan = index in plans } }
 *   services   { { name, id, protocol, host, port, path, … } }
 *   consumers  { { id, username, custom_id, tags, groups,
 *                  credentials = { ["key-auth"] = { { key, id, … } } } } }
 *   groups     { name, … } that are declared
 *   fetch      { allow = { "host", "host:port", "*.example.com" } }
 *   zones      { ["plugin/name"] = { size = bytes } }, or nil
 *   redis      { [name] = what core.redis_open() takes (lua/moongate/redis.lua) }, or nil
 *
 *   entry      { use = index in uses, or nil,
 *                by_consumer = { [consumer's id] = index in uses }, or nil }
 *
 * One entry a plugin: `use` runs unless `by_consumer` has a use for the request's consumer.
 * `routes` and `services` are what ctx.router shows. */
#include "config/config.h"
#include "net/loop.h"
#include "policy/zone.h"
#include "upstream/pool.h"
#include "upstream/registry.h"

struct gw_guard;
struct gw_metrics;
struct gw_script;
struct lua_State;
struct gw_call_info;

/* Told about each call that scripts make, for the metrics. */
struct gw_call_watch {
    void (*begun)(struct gw_call_watch *watch, struct gw_slice service);
    void (*ended)(struct gw_call_watch *watch, struct gw_slice service,
                  const struct gw_call_info *call, enum gw_error error);
};
struct gw_ledger;
struct gw_redis_hub;
struct gw_sinks;

struct gw_script_options {
    struct gw_config *config; /* counted by the script */
    const char *home;         /* folder that holds lua/ and plugins/ */
    unsigned worker;          /* index */
    struct gw_zones *zones; /* where plugins' shared dictionaries live; NULL: in the script alone */
    struct gw_metrics *metrics;   /* where plugins count, as writer `worker`; NULL: the same */
    const struct gw_clock *clock; /* what time it is in `init`; NULL: ask the system */
    struct gw_sinks *sinks;       /* where log plugins' lines go; NULL: nowhere (only checking) */
    struct gw_ledger *ledger;     /* where quotas are counted; NULL: nowhere (only checking) */
    const char *hears; /* only for the event hooks of these plugins (event.h); NULL: for requests */
    /* The last reference is gone: give the script to gw_script_free() on the loader thread. Called
     * on the thread that dropped it. */
    void (*on_unused)(struct gw_script *script, void *ctx);
    void *on_unused_ctx;
    /* A state of the caller's to live in, instead of one of its own; NULL: its own. Plugins and
     * modules then stand beside what else runs there (the harness), and what the script leaves
     * behind is the state's. `loader` is a reference in its registry to function(path, core), which
     * runs load.lua (`path`) with `core` as a plain state would. */
    struct lua_State *borrowed;
    int loader;
};

/* Opens a state, loads the plugins the plan names, builds the plan, runs `init`. NULL with a text
 * of lines for the operator in *why (owned by the caller, gw_free()): "plugins/x/handler.lua:3: …".
 * The caller owns one reference. */
struct gw_script *gw_script_new(const struct gw_script_options *options, char **why);

/* Where waits get their loop, calls their pool; its background tasks begin with the next turn.
 * Before the first run, on the thread that runs it. */
void gw_script_attach(struct gw_script *script, struct gw_loop *loop, struct gw_pool *pool,
                      struct gw_registry *registry);

/* The guard of the thread that runs it, for lua.budget and lua.stuck_limit; without one nothing is
 * stopped. Outlives the script's runs. */
void gw_script_guard(struct gw_script *script, struct gw_guard *guard);

/* The connections to Redis of the thread that runs it; they outlive the script's runs. */
void gw_script_give_redis(struct gw_script *script, struct gw_redis_hub *redis);

/* Where somebody counts; outlives the script's runs. */
void gw_script_watch(struct gw_script *script, struct gw_call_watch *watch);

struct gw_script *gw_script_ref(struct gw_script *script);
void gw_script_unref(struct gw_script *script); /* NULL is fine */

/* It is no longer current: its background tasks are cancelled, running exchanges go on. On the
 * thread that runs it. */
void gw_script_retire(struct gw_script *script);

/* Closes the state; on the loader thread, after on_unused. */
void gw_script_free(struct gw_script *script);

/* Hooks and tasks that wait; on the thread that runs it. */
unsigned gw_script_waiting(const struct gw_script *script);

/* Bytes of its Lua heap; any thread. */
size_t gw_script_memory(const struct gw_script *script);
uint64_t gw_script_generation(const struct gw_script *script);
