#include "script/faulty.h"

#ifdef GW_FAULTS

#include <string.h>

/* As io.open and loadfile say it: nil, and why. The true function is the upvalue. */
static int open_or_fail(lua_State *L)
{
    if (GW_FAULT(LUA_OPEN)) {
        const char *reason = strerrordesc_np(errno);

        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", lua_tostring(L, 1), reason);
        return 2;
    }
    int args = lua_gettop(L);

    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, args, LUA_MULTRET);
    return lua_gettop(L);
}

static void wrap(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, open_or_fail, 1);
    lua_setfield(L, -2, name);
}

void gw_lua_add_faults(lua_State *L)
{
    lua_getglobal(L, "io");
    wrap(L, "open");
    lua_pop(L, 1);
    lua_pushvalue(L, LUA_GLOBALSINDEX);
    wrap(L, "loadfile");
    lua_pop(L, 1);
}

#endif
