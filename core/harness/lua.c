/* What lua/moongate/spec calls: `require("moongate.spec.core")`. These are functions of Lua's C
 * interface and not FFI, because turning a gateway runs its hooks in the very state that called. */
#include "harness/lua.h"
#include "base/alloc.h"
#include "base/log.h"
#include "telemetry/metrics.h"

#include <math.h>

#define METRICS_MAX (4 * 1024 * 1024)

/* --- arguments --- */

static struct gw_harness_handle *check_handle(lua_State *L)
{
    return luaL_checkudata(L, 1, GW_HARNESS_TYPE);
}

struct gw_harness *gw_harness_check(lua_State *L)
{
    struct gw_harness *harness = check_handle(L)->harness;

    if (!harness)
        luaL_error(L, "this gateway is closed: it lived to the end of the block it was made in");
    return harness;
}

unsigned gw_harness_check_id(lua_State *L, int at)
{
    return (unsigned)luaL_checkinteger(L, at);
}

static uint64_t check_us(lua_State *L, int at)
{
    double seconds = luaL_checknumber(L, at);

    luaL_argcheck(L, seconds >= 0 && seconds < 1e11, at, "seconds, not below zero");
    return (uint64_t)ceil(seconds * 1e6 - 1e-3);
}

/* --- the error log, while a gateway is at work --- */

static void keep_line(enum gw_log_level level, const char *line, void *ctx)
{
    gw_harness_tell(ctx, GW_HARNESS_LOG, 0, (int)level, gw_slice_from(line));
}

struct gw_harness *gw_harness_begin(lua_State *L)
{
    struct gw_harness *harness = gw_harness_check(L);
    struct gw_harness_handle *handle = check_handle(L);

    if (handle->turning)
        luaL_error(L, "a gateway cannot be turned from inside: this runs in one of its hooks");
    handle->turning = true;
    handle->level_outside = gw_log_level();
    gw_log_set_level(handle->level);
    gw_log_set_sink(keep_line, harness);
    return harness;
}

void gw_harness_end(lua_State *L)
{
    struct gw_harness_handle *handle = check_handle(L);

    handle->turning = false;
    gw_log_set_level(handle->level_outside);
    gw_log_set_sink(NULL, NULL);
}

/* --- life --- */

/* (seed, level of the error log, network) */
static int harness_new(lua_State *L)
{
    int level = gw_log_level_parse(luaL_checkstring(L, 2));
    struct gw_harness_options options = {
        .seed = (uint64_t)luaL_optnumber(L, 1, 1),
        .network = lua_toboolean(L, 3),
    };
    luaL_argcheck(L, level >= 0, 2, "debug, info, notice, warn or error");
    struct gw_harness_handle *handle = lua_newuserdata(L, sizeof(*handle));

    *handle = (struct gw_harness_handle){
        .harness = gw_harness_new(&options),
        .level = (enum gw_log_level)level,
    };
    luaL_getmetatable(L, GW_HARNESS_TYPE);
    lua_setmetatable(L, -2);
    return 1;
}

/* (address of a struct gw_config, home, function(path, core)) → true, or nil and why */
static int harness_load(lua_State *L)
{
    uintptr_t address = (uintptr_t)luaL_checknumber(L, 2);
    const char *home = luaL_checkstring(L, 3);
    char *why = NULL;

    luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_settop(L, 4);
    int loader = luaL_ref(L, LUA_REGISTRYINDEX);
    struct gw_harness *harness = gw_harness_begin(L);
    bool good = gw_harness_load(harness, (struct gw_config *)address, home, L, loader, &why);

    gw_harness_end(L);
    luaL_unref(L, LUA_REGISTRYINDEX, loader);
    if (good) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why ? why : "an error without text");
    gw_free(why);
    return 2;
}

/* → true, or false and what does not end. The handle is empty afterwards. */
static int harness_free(lua_State *L)
{
    struct gw_harness_handle *handle = check_handle(L);
    struct gw_buf text;

    if (!handle->harness) {
        lua_pushboolean(L, 1);
        return 1;
    }
    struct gw_harness *harness = gw_harness_begin(L);
    bool done = gw_harness_stop(harness);

    if (done)
        gw_harness_free(harness);
    gw_harness_end(L);
    handle->harness = NULL;
    lua_pushboolean(L, done);
    if (done)
        return 1;
    gw_buf_init(&text, 64 * 1024); /* it stays as it is: freeing it would be worse */
    gw_proxy_describe(harness->proxy, &text);
    lua_pushlstring(L, text.data ? text.data : "", text.len);
    gw_buf_deinit(&text);
    return 2;
}

/* --- turning --- */

/* (wait) → whether more is ready */
static int harness_turn(lua_State *L)
{
    bool wait = lua_toboolean(L, 2);
    struct gw_harness *harness = gw_harness_begin(L);
    bool more = gw_harness_turn(harness, wait);

    gw_harness_end(L);
    lua_pushboolean(L, more);
    return 1;
}

/* (seconds) → whether a timer fired */
static int harness_step(lua_State *L)
{
    uint64_t limit_us = check_us(L, 2);
    struct gw_harness *harness = gw_harness_begin(L);
    bool fired = gw_harness_step(harness, limit_us);

    gw_harness_end(L);
    lua_pushboolean(L, fired);
    return 1;
}

static const char *const kinds[] = {
    [GW_HARNESS_BYTES] = "bytes", [GW_HARNESS_END] = "end",
    [GW_HARNESS_ROOM] = "room",   [GW_HARNESS_DIAL] = "dial",
    [GW_HARNESS_ALARM] = "alarm", [GW_HARNESS_DIAL_GONE] = "dial_gone",
    [GW_HARNESS_LOG] = "log",     [GW_HARNESS_ACCESS] = "access",
};

/* → kind, id, text, and the level of a log line or why a connection broke; nothing when there is no
 * event */
static int harness_take(lua_State *L)
{
    struct gw_harness_event *event = gw_harness_take(gw_harness_check(L));

    if (!event)
        return 0;
    lua_pushstring(L, kinds[event->kind]);
    lua_pushinteger(L, (lua_Integer)event->id);
    lua_pushlstring(L, event->text, event->len);
    if (event->kind == GW_HARNESS_LOG)
        lua_pushstring(L, gw_log_level_name((enum gw_log_level)event->number));
    else if (event->kind == GW_HARNESS_END && event->number)
        lua_pushstring(L, gw_error_info((enum gw_error)event->number)->reason);
    else
        lua_pushnil(L);
    gw_free(event);
    return 4;
}

/* --- time --- */

/* → seconds since 1970, seconds of the monotonic clock */
static int harness_now(lua_State *L)
{
    const struct gw_clock *clock = &gw_harness_check(L)->loop->clock;

    lua_pushnumber(L, (double)clock->wall_us / 1e6);
    lua_pushnumber(L, (double)clock->now_us / 1e6);
    return 2;
}

/* → seconds until the next timer, or nil */
static int harness_next_timer(lua_State *L)
{
    const struct gw_loop *loop = gw_harness_check(L)->loop;
    uint64_t due;

    if (!gw_loop_next_timer(loop, &due))
        return 0;
    lua_pushnumber(L, due > loop->clock.now_us ? (double)(due - loop->clock.now_us) / 1e6 : 0);
    return 1;
}

static int harness_alarm(lua_State *L)
{
    uint64_t delay_us = check_us(L, 2);

    lua_pushinteger(L, (lua_Integer)gw_harness_set_alarm(gw_harness_check(L), delay_us));
    return 1;
}

static int harness_cancel_alarm(lua_State *L)
{
    gw_harness_cancel_alarm(gw_harness_check(L), gw_harness_check_id(L, 2));
    return 0;
}

/* --- what it is like --- */

static unsigned length(const struct gw_list *list)
{
    unsigned count = 0;

    GW_LIST_EACH(list, node)
        count++;
    return count;
}

static void set_count(lua_State *L, const char *name, unsigned count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

static int harness_counts(lua_State *L)
{
    struct gw_harness *harness = gw_harness_check(L);

    lua_createtable(L, 0, 6);
    set_count(L, "requests", gw_proxy_active(harness->proxy));
    set_count(L, "connections", length(&harness->sessions));
    set_count(L, "dials", *gw_pool_pending(harness->pool));
    set_count(L, "waiting", harness->script ? gw_script_waiting(harness->script) : 0);
    set_count(L, "idle", gw_pool_idle(harness->pool));
    return 1;
}

static int push_text(lua_State *L, struct gw_buf *text)
{
    lua_pushlstring(L, text->data ? text->data : "", text->len);
    gw_buf_deinit(text);
    return 1;
}

static int harness_describe(lua_State *L)
{
    struct gw_buf text;

    gw_buf_init(&text, METRICS_MAX);
    gw_proxy_describe(gw_harness_check(L)->proxy, &text);
    return push_text(L, &text);
}

static int harness_metrics(lua_State *L)
{
    struct gw_buf text;

    gw_buf_init(&text, METRICS_MAX);
    (void)gw_metrics_render(gw_harness_check(L)->metrics, &text);
    return push_text(L, &text);
}

/* --- all of it --- */

static const luaL_Reg methods[] = {
    { "load", harness_load },
    { "free", harness_free },
    { "turn", harness_turn },
    { "step", harness_step },
    { "take", harness_take },
    { "now", harness_now },
    { "next_timer", harness_next_timer },
    { "alarm", harness_alarm },
    { "cancel_alarm", harness_cancel_alarm },
    { "counts", harness_counts },
    { "describe", harness_describe },
    { "metrics", harness_metrics },
    { NULL, NULL },
};

static int make_module(lua_State *L)
{
    lua_newtable(L);
    lua_pushcfunction(L, harness_new);
    lua_setfield(L, -2, "new");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setfield(L, -2, "home");
    lua_newtable(
        L); /* what lives as long as the process: busted loads modules anew for every file */
    lua_setfield(L, -2, "kept");
    return 1;
}

void gw_harness_open(lua_State *L, const char *home)
{
    luaL_newmetatable(L, GW_HARNESS_TYPE);
    lua_newtable(L);
    luaL_register(L, NULL, methods);
    luaL_register(L, NULL, gw_harness_wire_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    lua_getglobal(L, "package");
    lua_getfield(L, -1,
                 "loaded"); /* now, so that it is there before any spec's insulation begins */
    lua_pushstring(L, home);
    lua_pushcclosure(L, make_module, 1);
    lua_call(L, 0, 1);
    lua_setfield(L, -2, "moongate.spec.core");
    lua_pop(L, 2);
}
