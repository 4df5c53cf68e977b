#include "server/lua_call.h"

#include "base/fault.h"
#include "base/log.h"
#include "script/faulty.h"
#include "server/options.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>

static int add_traceback(lua_State *L)
{
    luaL_traceback(L, L, lua_tostring(L, 1) ? lua_tostring(L, 1) : "error without a text", 1);
    return 1;
}

/* home → package.path */
static int prepare(lua_State *L)
{
    const char *home = lua_tostring(L, 1);

    luaL_openlibs(L);
    gw_lua_add_faults(L);
    /* Code that runs once is interpreted faster than it is compiled: every trace costs two
     * mprotect(2). */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "path");
    lua_pushfstring(L, "%s/lua/?.lua;%s/lua/?/init.lua;%s", home, home, lua_tostring(L, -1));
    lua_setfield(L, -3, "path");
    return 0;
}

lua_State *gw_lua_open(const char *home)
{
    lua_State *L = GW_FAULT_NULL(LUA_STATE, luaL_newstate());

    if (!L) {
        gw_error("there is no memory for a Lua state");
        return NULL;
    }
    lua_pushcfunction(L, prepare);
    lua_pushstring(L, home);
    if (lua_pcall(L, 1, 0, 0) != 0)
        gw_complain("Lua", lua_tostring(L, -1), NULL);
    lua_settop(L, 0);
    return L;
}

/* module, function, arguments… → results */
static int call(lua_State *L)
{
    int args = lua_gettop(L) - 2;

    lua_getglobal(L, "require");
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    lua_pushvalue(L, 2);
    lua_gettable(L, -2);
    lua_replace(L, 2);
    lua_pop(L, 1);
    lua_call(L, args, LUA_MULTRET);
    return lua_gettop(L) - 1;
}

bool gw_lua_call(lua_State *L, const char *module, const char *function, int results)
{
    int args = lua_gettop(L);

    lua_pushcfunction(L, add_traceback);
    lua_pushcfunction(L, call);
    lua_pushstring(L, module);
    lua_pushstring(L, function);
    for (int i = 0; i < 4; i++) /* below the arguments */
        lua_insert(L, 1);
    bool good = lua_pcall(L, args + 2, results, 1) == 0;

    lua_remove(L, 1);
    return good;
}

int gw_lua_command(const char *home, const char *function, const char *const *args, unsigned count)
{
    lua_State *L = gw_lua_open(home);
    int code = GW_EXIT_BAD;

    if (!L)
        return code;
    for (unsigned i = 0; i < count; i++)
        lua_pushstring(L, args[i]); /* NULL becomes nil */
    if (gw_lua_call(L, "moongate.cli", function, 1))
        code = (int)lua_tointeger(L, -1);
    else
        gw_complain(function, lua_tostring(L, -1), NULL);
    lua_close(L);
    return code;
}
