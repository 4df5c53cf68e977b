#pragma once
/* What the files of script/ share: the state of one script and the ctxs of the exchanges in it.
 * Nobody else includes this. */
#include "base/buf.h"
#include "base/list.h"
#include "base/refs.h"
#include "script/pdk.h"
#include "script/phase.h"
#include "script/pieces.h"
#include "script/script.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdatomic.h>

/* The bounds of one plugin that are counted. */
enum gw_breach {
    GW_BREACH_BUDGET,
    GW_BREACH_FETCHES,
    GW_BREACH_BODIES,
    GW_BREACH_LOG_LINES,
    GW_BREACH_COUNT
};

/* What one plugin has under way in this script; its uses share it. */
struct gw_account {
    const char *plugin; /* the first use's */
    unsigned fetches;
    size_t body_bytes;
    uint64_t log_second;
    unsigned log_lines, log_dropped;    /* in that second */
    uint32_t breaches[GW_BREACH_COUNT]; /* series; GW_METRIC_NONE until it is needed */
};

/* One use of a plugin, for log lines and for what happens when it fails. */
struct gw_use {
    char *plugin;
    bool skip;      /* on_error: skip */
    bool untrusted; /* trusted: false */
    struct gw_account *account;
};

/* A slot of the pool: the handle its Lua tables share. Its address never changes. */
struct gw_ctx {
    struct gw_pdk pdk;
    struct gw_reply *draft; /* of exit(), until it is sent; lives in the exchange's arena */
    int ref;                /* its Lua table, in the registry */
    int next_free;          /* slot, or -1 */
    struct gw_account *body_account; /* whose plugin had its bodies collected; or NULL */
    size_t body_bytes;
    struct gw_list streams; /* struct stream (await_stream.c): end with it */
    unsigned stream_count;
};

/* A zone that a plugin declared, and the size it wants. */
struct gw_declared_zone {
    struct gw_zone *zone; /* one hold */
    size_t bytes;
};

struct gw_script {
    struct gw_refs refs;
    lua_State *L;
    bool borrowed; /* L is a thread of somebody else's state: whatever it keeps is let go by hand */
    int thread_ref, loader; /* in that state's registry */
    struct gw_config *config;
    uint64_t generation;
    unsigned worker;
    atomic_size_t memory; /* bytes; written by the thread that runs it */
    size_t memory_max;
    struct gw_pieces pieces; /* where its small objects live */
    size_t untrusted_max;    /* what those who are not trusted may fill of it */
    size_t collected_at;     /* bytes after the last collection that made room for them */
    bool has_untrusted;
    size_t heap_limit; /* from here on body hooks help to collect (pipe.c) */

    struct gw_loop *loop; /* NULL until attached: nothing may wait */
    struct gw_pool *pool;
    struct gw_registry *registry;
    struct gw_call_watch *watch;       /* or NULL */
    struct gw_guard *guard;            /* of the thread that runs it; NULL: no budget */
    struct gw_random random;           /* for ids before it is attached */
    const struct gw_clock *init_clock; /* the time before it is attached; NULL: the system's */

    struct gw_crypto *crypto; /* NULL until a plugin hashes something */
    struct gw_metrics *metrics;
    struct gw_zones *zones;
    bool owns_metrics, owns_zones;
    struct gw_declared_zone *declared_zones;
    unsigned declared_zone_count;

    struct gw_pdk_now now;  /* what Lua may know of the next */
    struct gw_run *current; /* the run whose Lua is on the stack, or NULL */
    struct gw_list running; /* struct gw_run that wait */
    struct gw_list idle;    /* struct gw_run to be reused */

    struct gw_ctx **ctxs;
    unsigned ctx_count, ctx_capacity;
    int free_ctx; /* slot, or -1 */

    struct gw_use *uses; /* [0] is nobody's */
    unsigned use_count;
    struct gw_account *accounts; /* as many as uses, not all needed */
    unsigned account_count;
    uint8_t *phases; /* bits of enum gw_phase by route index; the last is the global plan's */
    int phase_refs[GW_PHASE_COUNT]; /* functions of lua/moongate/phases.lua in the registry */
    int new_slot_ref;
    int retire_ref;             /* of what is called when it is retired; LUA_NOREF: nothing */
    struct gw_list tasks;       /* struct task (task.c), from init on */
    struct gw_event_desk *desk; /* event.c; NULL: no plugin hears */
    const char *for_events;     /* while it loads: the plugins it is for; NULL: all */
    double last_stream;         /* id */

    struct gw_gate_wait *gate_asked, *gate_spare; /* await_gate.c; or NULL */

    struct gw_ledger *ledger;    /* NULL: none */
    struct gw_sinks *sinks;      /* NULL: none */
    struct gw_sink **open_sinks; /* one use each; Lua knows them by index */
    unsigned open_sink_count;

    struct gw_redis_hub *redis;             /* of the thread that runs it; NULL: there is none */
    struct gw_redis_server **redis_servers; /* Lua knows them by index */
    unsigned redis_count;
    struct gw_buf redis_bytes; /* of the command that is being written */

    void (*on_unused)(struct gw_script *script, void *ctx);
    void *on_unused_ctx;
};

/* Lets go of what the registry keeps; nothing where the state is closed as a whole. */
void gw_script_forget(struct gw_script *script, int ref);

/* Runs `function` protected, with `argument` as a light userdata; what it returns is dropped. The
 * one way C enters Lua outside runs. False when it raised, with the error's text in *why (owned by
 * the caller; NULL when it does not care). */
bool gw_script_protect(struct gw_script *script, lua_CFunction function, void *argument,
                       char **why);

/* Of the plugin whose code runs; use 0 is nobody's and has one, too. */
struct gw_account *gw_script_account(struct gw_script *script);

/* Counts that a plugin went beyond a bound (bounds.c). */
void gw_script_count_breach(struct gw_script *script, struct gw_account *account,
                            enum gw_breach breach);

/* A line of a plugin may be written; else it is counted as dropped. */
bool gw_script_may_log(struct gw_script *script, struct gw_account *account);

/* Collects garbage, protected: after "not enough memory". */
void gw_script_collect(struct gw_script *script);

/* Collects garbage before Lua does, where there are plugins that are not trusted. */
void gw_script_make_room(struct gw_script *script);

/* The light userdata a core function yields; whatever else is yielded came from a plugin. */
void *gw_script_wait_token(void);

/* Opens the state and loads what the plan names (load.c); false with lines for the operator in
 * *why. */
bool gw_script_load(struct gw_script *script, const char *home, char **why);

/* The ctx of the exchange, taken from the pool at first; NULL when Lua's memory ran out. */
struct gw_ctx *gw_ctx_acquire(struct gw_script *script, struct gw_exchange *x);
void gw_ctx_release(struct gw_script *script, struct gw_exchange *x);
void gw_ctx_free_all(struct gw_script *script);

/* What time it is for its plugins; in `init` there is no loop yet. */
struct gw_clock gw_script_clock(const struct gw_script *script);

/* The zones it declared: another size comes true when it begins to serve; given back at its end. */
void gw_script_apply_zones(struct gw_script *script);
/* Takes the hold over, or gives it back where the script has one. `bytes`: of dictionaries. */
void gw_script_declare_zone(struct gw_script *script, struct gw_zone *zone, size_t bytes);
void gw_script_release_zones(struct gw_script *script);

/* The contexts of its digests. */
void gw_script_free_crypto(struct gw_script *script);
/* Gives the sinks back that Lua opened (pdk_sink.c). */
void gw_script_close_sinks(struct gw_script *script);

/* Opens one: a table of checked options → its index, or nil and why not. Upvalue 1: the script. */
int gw_sink_open_from_lua(lua_State *L);

/* Describes a Redis: a table of checked options → its index, or nil and why not (pdk_redis.c). */
int gw_redis_open_from_lua(lua_State *L);
void gw_script_forget_redis(struct gw_script *script);

/* May raise. In a borrowed state the memory stays with the state, for who keeps what belongs to
 * it. */
struct gw_ctx *gw_ctx_new(lua_State *L, const struct gw_script *script);
void gw_ctx_free(const struct gw_script *script, struct gw_ctx *ctx);

/* Ends the streamed responses that nobody closed (await_stream.c). */
void gw_streams_close(struct gw_ctx *ctx);

/* The background tasks that init declared (task.c). */
void gw_tasks_begin(struct gw_script *script);
void gw_tasks_cancel(struct gw_script *script); /* again is fine */
void gw_tasks_free(struct gw_script *script);

/* The event hooks (event.c): what load.lua found, in the table at `loaded`; may raise. */
void gw_events_take(lua_State *L, struct gw_script *script, int loaded);
void gw_events_cancel(struct gw_script *script); /* again is fine */
void gw_events_free(struct gw_script *script);

/* Frees the pool of runs; none may wait. */
void gw_run_free_all(struct gw_script *script);

/* Puts the functions that wait into the table on the top of the stack (await_*.c). */
void gw_await_register(lua_State *L, struct gw_script *script);
