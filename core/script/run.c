#include "script/run.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "script/guard.h"
#include "script/state.h"
#include "script/wait.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FAILURE_MAX 4096
#define FRAMES_MAX 12

static void set_state(struct gw_run *run, enum gw_run_state state)
{
    switch (state) {
    case GW_RUN_IDLE:
        GW_ASSERT(run->state == GW_RUN_READY || run->state == GW_RUN_WAITING);
        break;
    case GW_RUN_READY:
        GW_ASSERT(run->state == GW_RUN_IDLE || run->state == GW_RUN_RUNNING ||
                  run->state == GW_RUN_WAITING);
        break;
    case GW_RUN_RUNNING:
        GW_ASSERT(run->state == GW_RUN_READY || run->state == GW_RUN_WAITING);
        break;
    case GW_RUN_WAITING:
        GW_ASSERT(run->state == GW_RUN_RUNNING);
        break;
    }
    run->state = state;
}

/* --- the pool --- */

static int make_coroutine(lua_State *L)
{
    struct gw_run *run = lua_touserdata(L, 1);

    run->L = lua_newthread(L);
    run->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

struct gw_run *gw_run_acquire(struct gw_script *script)
{
    struct gw_list_node *node = gw_list_first(&script->idle);
    struct gw_run *run;

    if (script->has_untrusted && !script->current)
        gw_script_make_room(script);
    if (node) {
        run = container_of(node, struct gw_run, node);
        gw_list_remove(node);
    } else {
        run = gw_alloc_zero(sizeof(*run));
        run->script = script;
        gw_list_init(&run->waits);
        if (!gw_script_protect(script, make_coroutine, run, NULL)) {
            gw_free(run);
            return NULL;
        }
    }
    set_state(run, GW_RUN_READY);
    return run;
}

struct gw_run *gw_run_acquire_child(struct gw_run *parent)
{
    struct gw_run *run = gw_run_acquire(parent->script);

    if (!run)
        return NULL;
    run->x = parent->x;
    run->pdk = parent->pdk;
    run->hooks = parent->hooks;
    run->depth = parent->depth + 1;
    if (run->pdk) {
        run->phase = run->pdk->phase;
        run->at = run->pdk->at;
        run->use = run->pdk->use;
    }
    return run;
}

/* Most runs left nothing there, and lua_settop() is not free. */
static void clear_stack(lua_State *L)
{
    if (lua_gettop(L) > 0)
        lua_settop(L, 0);
}

GW_SELDOM static void cancel_all_waits(struct gw_run *run)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&run->waits))) {
        struct gw_wait *wait = container_of(node, struct gw_wait, node);

        gw_wait_end(wait);
        wait->cancel(wait);
    }
}

static void cancel_waits(struct gw_run *run)
{
    if (!gw_list_empty(&run->waits))
        cancel_all_waits(run);
}

/* A coroutine that did not come to its end is left to the collector: closures that somebody kept
 * may still look into its stack (lua_resetthread() would take their variables away). */
static void abandon(struct gw_run *run)
{
    luaL_unref(run->script->L, LUA_REGISTRYINDEX, run->ref);
    run->L = NULL;
}

/* Another in its place. Without memory even for that, L is NULL. */
static void replace(struct gw_run *run)
{
    struct gw_script *script = run->script;

    abandon(run);
    if (gw_script_protect(script, make_coroutine, run, NULL))
        return;
    gw_script_collect(script);
    gw_script_protect(script, make_coroutine, run, NULL);
}

void gw_run_release(struct gw_run *run)
{
    struct gw_script *script = run->script;

    GW_ASSERT(run->state != GW_RUN_RUNNING);
    cancel_waits(run);
    if (run->state == GW_RUN_WAITING) {
        gw_list_remove(&run->node);
        abandon(run);
    } else if (run->L) {
        clear_stack(run->L);
    }
    if (run->failure)
        gw_free(run->failure), run->failure = NULL;
    run->x = NULL;
    run->pdk = NULL;
    run->on_end = NULL;
    run->owner = NULL;
    run->done = NULL;
    run->depth = 0;
    set_state(run, GW_RUN_IDLE);
    if (!run->L) {
        gw_free(run);
        return;
    }
    gw_list_prepend(&script->idle, &run->node);
}

void gw_run_free_all(struct gw_script *script)
{
    struct gw_list_node *node;

    GW_ASSERT(gw_list_empty(&script->running));
    while ((node = gw_list_first(&script->idle))) {
        struct gw_run *run = container_of(node, struct gw_run, node);

        gw_list_remove(node);
        gw_script_forget(script, run->ref);
        gw_free(run);
    }
}

/* --- the place of a hook: kept while it waits --- */

static void keep_place(struct gw_run *run)
{
    if (!run->pdk)
        return;
    run->phase = run->pdk->phase;
    run->at = run->pdk->at;
    run->use = run->pdk->use;
    run->pdk->phase = 0; /* nobody may speak for this request until it goes on */
}

static void restore_place(struct gw_run *run)
{
    if (!run->pdk)
        return;
    run->pdk->phase = run->phase;
    run->pdk->at = run->at;
    run->pdk->use = run->use;
}

/* A child ended: until its parent goes on nobody speaks for the request. */
static void leave_place(struct gw_run *run)
{
    if (run->pdk)
        run->pdk->phase = 0;
}

/* --- failures --- */

static const char *failure_text(lua_State *co, int status, const char *given)
{
    if (given)
        return given;
    if (status == LUA_ERRMEM)
        return "not enough memory (lua.memory)";
    if (lua_gettop(co) > 0 && lua_type(co, -1) == LUA_TSTRING)
        return lua_tostring(co, -1);
    return "an error that is not a text was raised";
}

/* LuaJIT keeps the oversized stack of a coroutine that ends like this, and lua_getinfo() reads wild
 * memory there (it counts slots in 16 bits). */
static bool has_overflowed(lua_State *co, int status)
{
    return status == LUA_ERRERR ||
           (status == LUA_ERRRUN && strstr(failure_text(co, status, NULL), "stack overflow"));
}

/* Text and frames, without allocating in Lua, because memory may be what is missing. */
static char *describe_failure(lua_State *co, int status, const char *given, bool overflowed)
{
    struct gw_buf out;
    lua_Debug frame;
    bool first = true;

    gw_buf_init(&out, FAILURE_MAX);
    gw_buf_printf(&out, "%.*s", FAILURE_MAX / 2, failure_text(co, status, given));
    for (int level = 0; !overflowed && level < FRAMES_MAX && lua_getstack(co, level, &frame);
         level++) {
        if (!lua_getinfo(co, "Sln", &frame) || frame.currentline < 0)
            continue; /* a C function */
        gw_buf_printf(&out, "%s%s:%d%s%s", first ? " [" : " < ", frame.short_src, frame.currentline,
                      frame.name ? " " : "", frame.name ? frame.name : "");
        first = false;
    }
    if (!first)
        gw_buf_append_char(&out, ']');

    char *text = gw_strndup(out.data, out.len);

    gw_buf_deinit(&out);
    return text;
}

static enum gw_outcome fail(struct gw_run *run, int status, const char *given)
{
    bool overflowed = has_overflowed(run->L, status);

    gw_free(run->failure);
    run->failure = describe_failure(run->L, status, given, overflowed);
    cancel_waits(run);
    replace(run);
    if (run->depth)
        leave_place(run);
    set_state(run, GW_RUN_READY);
    if (status == LUA_ERRMEM)
        gw_script_collect(run->script);
    return GW_OUTCOME_FAILED;
}

/* --- running --- */

static enum gw_outcome on_yield(struct gw_run *run)
{
    lua_State *co = run->L;
    bool ours = lua_gettop(co) >= 1 && lua_touserdata(co, -1) == gw_script_wait_token() &&
                !gw_list_empty(&run->waits);

    if (!ours)
        return fail(run, LUA_YIELD,
                    "a hook may not yield by itself: it waits with ctx:sleep, ctx:fetch and such "
                    "(coroutine.yield belongs in a coroutine of your own)");
    lua_settop(co, 0);
    set_state(run, GW_RUN_WAITING);
    gw_list_append(&run->script->running, &run->node);
    keep_place(run);
    return GW_OUTCOME_WAITS;
}

/* Its result is not wanted any more, unless it came to an end by itself just then. */
static enum gw_outcome on_stopped(struct gw_run *run, int status)
{
    char text[96];

    snprintf(text, sizeof(text),
             "computed for more than %" PRIu64 " ms without waiting (lua.budget)",
             run->script->config->lua_budget_us / 1000);
    gw_script_count_breach(run->script, run->script->uses[run->pdk ? run->pdk->use : 0].account,
                           GW_BREACH_BUDGET);
    return fail(run, status, text);
}

enum gw_outcome gw_run_resume(struct gw_run *run, int args)
{
    struct gw_script *script = run->script;
    struct gw_guard *guard = script->guard;
    /* not NULL only where C called from Lua runs hooks of the same state */
    struct gw_run *outer = script->current;

    if (run->state == GW_RUN_WAITING)
        gw_list_remove(&run->node);
    if (run->state == GW_RUN_WAITING || run->depth)
        restore_place(run);
    set_state(run, GW_RUN_RUNNING);
    script->current = run;
    script->now.pdk = run->pdk;
    bool guarded = gw_guard_enter(guard, script, true);
    int status = lua_resume(run->L, args);
    bool stopped = guarded && gw_guard_leave(guard, outer != NULL);
    script->current = outer;
    script->now.pdk = outer ? outer->pdk : NULL;
    if (stopped && status != 0 && status != LUA_YIELD)
        return on_stopped(run, status);

    switch (status) {
    case 0:
        cancel_waits(run);
        if (run->depth)
            leave_place(run);
        else
            clear_stack(run->L);
        set_state(run, GW_RUN_READY);
        return GW_OUTCOME_FINISHED;
    case LUA_YIELD:
        return on_yield(run);
    default:
        return fail(run, status, NULL);
    }
}

void gw_run_wake(struct gw_run *run, int results)
{
    enum gw_outcome outcome = gw_run_resume(run, results);

    if (outcome != GW_OUTCOME_WAITS)
        run->on_end(run, outcome);
}

/* --- waits --- */

void *gw_script_wait_token(void)
{
    static char token;

    return &token;
}

struct gw_run *gw_wait_check(lua_State *L, const char *what)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct gw_run *run = script->current;

    if (!run)
        luaL_error(L, "%s cannot be called in init: nothing can wait there", what);
    if (!lua_isyieldable(L))
        luaL_error(L,
                   "%s cannot wait here: a C function that calls back is on the stack "
                   "(table.sort, string.gsub, require); call it before or after that",
                   what);
    return run;
}

void gw_wait_begin(struct gw_run *run, struct gw_wait *wait, void (*cancel)(struct gw_wait *wait))
{
    wait->run = run;
    wait->cancel = cancel;
    gw_list_append(&run->waits, &wait->node);
}

int gw_wait_yield(lua_State *L)
{
    lua_pushlightuserdata(L, gw_script_wait_token());
    return lua_yield(L, 1);
}

void gw_wait_end(struct gw_wait *wait)
{
    gw_list_remove(&wait->node);
}
