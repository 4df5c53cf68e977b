/* `moongate test`: busted in a Lua state of this process, with the harness beside it. What the
 * command line means, and the help, is Lua's (lua/moongate/spec/run.lua). */
#include "base/alloc.h"
#include "cli/commands.h"
#include "harness/harness.h"
#include "server/home.h"
#include "server/lua_call.h"

#include <lauxlib.h>
#include <signal.h>

/* os.exit() was called; the code is what run.lua left in the registry. */
static const char exited = 'x';

/* Unwinds instead of leaving the process, so that gateways are closed and the exit code is ours. */
static int host_exit(lua_State *L)
{
    int code = 0;

    if (lua_isboolean(L, 1))
        code = lua_toboolean(L, 1) ? GW_EXIT_GOOD : GW_EXIT_BAD;
    else
        code = (int)luaL_optinteger(L, 1, 0);
    lua_pushlightuserdata(L, (void *)(uintptr_t)&exited);
    lua_pushinteger(L, code);
    lua_rawset(L, LUA_REGISTRYINDEX);
    return luaL_error(L, "exit");
}

/* The code os.exit() was called with, or -1. */
static int code_of_exit(lua_State *L)
{
    int code;

    lua_pushlightuserdata(L, (void *)(uintptr_t)&exited);
    lua_rawget(L, LUA_REGISTRYINDEX);
    code = lua_isnumber(L, -1) ? (int)lua_tointeger(L, -1) : -1;
    lua_pop(L, 1);
    return code;
}

struct test {
    const struct gw_options *options;
    const char *home;
};

static int prepare(lua_State *L)
{
    const struct test *test = lua_touserdata(L, 1);

    lua_getglobal(L, "os");
    lua_pushcfunction(L, host_exit);
    lua_setfield(L, -2, "exit");
    gw_harness_open(L, test->home);
    return 0;
}

static int run(lua_State *L, const struct gw_options *options)
{
    int code = GW_EXIT_BAD;

    for (int i = 0; i < options->rest_count; i++)
        lua_pushstring(L, options->rest[i]);
    if (gw_lua_call(L, "moongate.spec.run", "run", 1))
        code = (int)lua_tointeger(L, -1);
    else if (code_of_exit(L) < 0)
        gw_complain("test", lua_tostring(L, -1), NULL);
    return code_of_exit(L) < 0 ? code : code_of_exit(L);
}

int gw_command_test(const struct gw_options *options)
{
    char *home = gw_home_find();
    int code = GW_EXIT_BAD;

    if (!home)
        return code;
    struct test test = { options, home };
    lua_State *L = gw_lua_open(home);

    signal(SIGPIPE, SIG_IGN);
    if (L && lua_cpcall(L, prepare, &test) == 0)
        code = run(L, options);
    if (L)
        lua_close(L);
    gw_free(home);
    return code;
}
