/* moongate.task: background work that a plugin declared in init. A task belongs to its generation:
 * it begins when the script is attached and is cancelled when it is no longer current. Each time is
 * a run of its own; the next is counted from the end of the last, so that they never overlap. */
#include "base/alloc.h"
#include "base/log.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"

#include <lauxlib.h>

#define OUT_OF_MEMORY_PAUSE_US 1000000

struct task {
    struct gw_list_node node; /* in script->tasks */
    struct gw_script *script;
    struct gw_ctx *ctx;
    uint32_t use; /* of the plugin */
    int function_ref, object_ref;
    uint64_t first_us, every_us; /* every_us 0: once */
    struct gw_timer timer;
    struct gw_run *run; /* while it works */
};

static void start(struct task *task);

static void on_timer(struct gw_timer *timer)
{
    start(container_of(timer, struct task, timer));
}

static void on_end(struct gw_run *run, enum gw_outcome outcome)
{
    struct task *task = run->owner;
    struct gw_script *script = task->script;

    if (outcome == GW_OUTCOME_FAILED)
        gw_error("plugin %s, task: %s", script->uses[task->use].plugin, run->failure);
    task->run = NULL;
    task->ctx->pdk.phase = 0;
    gw_run_release(run);
    gw_streams_close(task->ctx);
    if (task->every_us)
        gw_timer_start(script->loop, &task->timer, task->every_us, on_timer);
}

static void start(struct task *task)
{
    struct gw_script *script = task->script;
    struct gw_run *run = gw_run_acquire(script);

    if (!run || !run->L) {
        gw_error("plugin %s, task: not enough memory (lua.memory)", script->uses[task->use].plugin);
        gw_script_collect(script);
        gw_timer_start(script->loop, &task->timer, OUT_OF_MEMORY_PAUSE_US, on_timer);
        return;
    }
    task->run = run;
    task->ctx->pdk.phase = GW_PDK_APART;
    task->ctx->pdk.use = task->use;
    run->pdk = &task->ctx->pdk;
    run->owner = task;
    run->on_end = on_end;
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, task->function_ref);
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, task->object_ref);

    enum gw_outcome outcome = gw_run_resume(run, 1);

    if (outcome != GW_OUTCOME_WAITS)
        on_end(run, outcome);
}

int gw_task_declare(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct task *task = gw_alloc_zero(sizeof(*task));

    task->script = script;
    gw_list_append(&script->tasks, &task->node); /* an error from here on ends the script */
    task->ctx = gw_ctx_new(L, script);
    task->use = (uint32_t)lua_tointeger(L, 2);
    task->every_us = (uint64_t)(lua_tonumber(L, 3) * 1e6);
    task->first_us = (uint64_t)(lua_tonumber(L, 4) * 1e6);
    lua_pushvalue(L, 1);
    task->function_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_pushvalue(L, 5);
    lua_pushlightuserdata(L, &task->ctx->pdk);
    lua_call(L, 1, 1); /* makes `t` of the handle */
    task->object_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

void gw_tasks_begin(struct gw_script *script)
{
    GW_LIST_EACH(&script->tasks, node) {
        struct task *task = container_of(node, struct task, node);

        gw_timer_start(script->loop, &task->timer, task->first_us, on_timer);
    }
}

void gw_tasks_cancel(struct gw_script *script)
{
    GW_LIST_EACH(&script->tasks, node) {
        struct task *task = container_of(node, struct task, node);

        gw_timer_stop(&task->timer);
        if (task->run)
            gw_run_release(task->run);
        task->run = NULL;
        task->ctx->pdk.phase = 0;
        gw_streams_close(task->ctx);
    }
}

void gw_tasks_free(struct gw_script *script)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&script->tasks))) {
        struct task *task = container_of(node, struct task, node);

        GW_ASSERT(!task->run && !gw_timer_running(&task->timer));
        gw_list_remove(node);
        gw_script_forget(script, task->function_ref);
        gw_script_forget(script, task->object_ref);
        gw_ctx_free(script, task->ctx);
        gw_free(task);
    }
}
