/* Opening a Lua state for one generation: libraries, where modules are found, what C gives to Lua,
 * the plan, the plugins. The work is Lua's (lua/moongate/load.lua); this file hands it what it
 * needs and takes the outcome into C. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/faulty.h"
#include "script/guard.h"
#include "script/pattern.h"
#include "script/state.h"

#include <luajit.h>
#include <lualib.h>
#include <string.h>

struct load {
    struct gw_script *script;
    const char *home;
};

static void push_core(lua_State *L, struct gw_script *script, const char *home)
{
    struct gw_slice plan = script->config->plan;

    lua_createtable(L, 0, 32);
    lua_pushlstring(L, plan.ptr ? plan.ptr : "", plan.len);
    lua_setfield(L, -2, "plan");
    lua_pushstring(L, home);
    lua_setfield(L, -2, "home");
    lua_pushlightuserdata(L, script);
    lua_setfield(L, -2, "script");
    lua_pushlightuserdata(L, gw_script_wait_token());
    lua_setfield(L, -2, "wait_token");
    lua_pushinteger(L, (lua_Integer)script->config->route_count);
    lua_setfield(L, -2, "route_count");
    lua_pushinteger(L, (lua_Integer)script->worker);
    lua_setfield(L, -2, "worker");
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, gw_sink_open_from_lua, 1);
    lua_setfield(L, -2, "sink_open");
    lua_pushlightuserdata(L, script);
    lua_pushcclosure(L, gw_redis_open_from_lua, 1);
    lua_setfield(L, -2, "redis_open");
    gw_pattern_push(L);
    lua_setfield(L, -2, "capped");
    lua_pushinteger(L, (lua_Integer)script->config->lua_tasks);
    lua_setfield(L, -2, "tasks_max");
    lua_pushlightuserdata(L, &script->now);
    lua_setfield(L, -2, "now");
    if (script->for_events) {
        lua_pushstring(L, script->for_events);
        lua_setfield(L, -2, "for_events");
    }
    gw_await_register(L, script);
}

/* The plugin's, or a new one. */
static void give_account(struct gw_script *script, size_t use)
{
    const char *plugin = script->uses[use].plugin;
    unsigned at = 0;

    while (at < script->account_count && strcmp(script->accounts[at].plugin, plugin) != 0)
        at++;
    if (at == script->account_count)
        script->accounts[script->account_count++].plugin = plugin;
    script->uses[use].account = &script->accounts[at];
}

/* From a table of { plugin, skip }; place 0 is nobody's, so that C indexes as Lua does. */
static void take_uses(lua_State *L, struct gw_script *script)
{
    size_t count = lua_objlen(L, -1);

    script->uses = gw_alloc_zero((count + 1) * sizeof(*script->uses));
    script->use_count = (unsigned)count + 1;
    script->uses[0].plugin = gw_strndup("?", 1);
    script->accounts = gw_alloc_zero((count + 1) * sizeof(*script->accounts));
    give_account(script, 0);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, -1, (int)i);
        lua_getfield(L, -1, "plugin");
        script->uses[i].plugin = gw_strndup(lua_tostring(L, -1), lua_objlen(L, -1));
        give_account(script, i);
        lua_getfield(L, -2, "skip");
        script->uses[i].skip = lua_toboolean(L, -1);
        lua_getfield(L, -3, "untrusted");
        script->uses[i].untrusted = lua_toboolean(L, -1);
        script->has_untrusted |= script->uses[i].untrusted;
        lua_pop(L, 4);
    }
}

static void take_phases(lua_State *L, struct gw_script *script)
{
    unsigned count = script->config->route_count + 1;

    script->phases = gw_alloc_zero(count);
    for (unsigned i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        script->phases[i] = (uint8_t)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
}

/* load.lua, or who runs it in a borrowed state, and where it is. */
static void push_loader(lua_State *L, const struct load *load)
{
    const char *path;

    if (load->script->borrowed) {
        lua_rawgeti(L, LUA_REGISTRYINDEX, load->script->loader);
        lua_pushfstring(L, "%s/lua/moongate/load.lua", load->home);
        return;
    }
    luaL_openlibs(L);
    /* What runs once is not worth compiling, and compiled code that gets no memory crashes. */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    gw_lua_add_faults(L);
    path = lua_pushfstring(L, "%s/lua/moongate/load.lua", load->home);
    if (luaL_loadfile(L, path))
        lua_error(L);
}

static int load(lua_State *L)
{
    struct load *load = lua_touserdata(L, 1);
    struct gw_script *script = load->script;

    push_loader(L, load);
    push_core(L, script, load->home);
    lua_call(L, script->borrowed ? 2 : 1, 1);

    int loaded = lua_gettop(L);

    lua_getfield(L, loaded, "uses");
    take_uses(L, script);
    lua_getfield(L, loaded, "phases");
    take_phases(L, script);
    lua_getfield(L, loaded, "new_slot");
    script->new_slot_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, loaded, "retire");
    if (lua_isfunction(L, -1))
        script->retire_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, loaded, "runners");
    for (int i = 0; i < GW_PHASE_COUNT; i++) {
        lua_rawgeti(L, -1, i + 1);
        script->phase_refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    gw_events_take(L, script, loaded);
    lua_getfield(L, loaded, "compiles");
    if (!script->borrowed && lua_toboolean(L, -1))
        luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_ON);
    return 0;
}

bool gw_script_load(struct gw_script *script, const char *home, char **why)
{
    struct load data = { script, home };
    struct gw_guard *guard = script->borrowed ? NULL : gw_guard_here();
    bool guarded = gw_guard_enter_loading(guard, script, script->L);
    bool good = gw_script_protect(script, load, &data, why);
    char stopped[512];

    if (guarded && gw_guard_leave_loading(guard, stopped, sizeof(stopped)) && !good) {
        gw_free(*why);
        *why = gw_strndup(stopped, strlen(stopped));
    }
    if (!good)
        return false;
    if (!script->borrowed)
        gw_script_collect(script); /* what loading left behind */
    return true;
}

static const struct {
    const char *name;
    lua_CFunction function;
} waiting[] = {
    { "sleep", gw_await_sleep },
    { "body", gw_await_body },
    { "send", gw_await_send },
    { "group", gw_await_group },
    { "group_take", gw_await_group_take },
    { "group_end", gw_await_group_end },
    { "stream_open", gw_await_stream_open },
    { "stream_head", gw_await_stream_head },
    { "stream_read", gw_await_stream_read },
    { "stream_close", gw_await_stream_close },
    { "fetch_send", gw_await_fetch_send },
    { "gate_wait", gw_await_gate },
    { "quota_load", gw_await_quota },
    { "redis_wait", gw_await_redis },
    { "redis_take", gw_await_redis_take },
    { "task", gw_task_declare },
};

void gw_await_register(lua_State *L, struct gw_script *script)
{
    for (size_t i = 0; i < GW_ARRAY_LEN(waiting); i++) {
        lua_pushlightuserdata(L, script);
        lua_pushcclosure(L, waiting[i].function, 1);
        lua_setfield(L, -2, waiting[i].name);
    }
}
