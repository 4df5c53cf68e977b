#include "lua_state.h"

#include "script/pattern.h"
#include "server/lua_call.h"

#include <lauxlib.h>

#define STATES_MAX 8

static struct {
    const char *name;
    lua_State *L;
} states[STATES_MAX];

/* What Lua holds has no other owner: the leak checker cannot see into its memory. */
static void close_states(void)
{
    for (int i = 0; i < STATES_MAX && states[i].name; i++)
        lua_close(states[i].L);
}

static lua_State *open_state(const char *name)
{
    lua_State *L = gw_lua_open(GW_SOURCE_DIR);
    char path[512];

    snprintf(path, sizeof(path), "%s/spec/fuzz/lua/%s.lua", GW_SOURCE_DIR, name);
    if (luaL_loadfile(L, path))
        FUZZ_CHECK(false, "%s", lua_tostring(L, -1));
    lua_pushliteral(L, GW_SOURCE_DIR);
    gw_pattern_push(L);
    if (lua_pcall(L, 2, 1, 0))
        FUZZ_CHECK(false, "%s", lua_tostring(L, -1));
    return L;
}

static lua_State *state_of(const char *name)
{
    for (int i = 0; i < STATES_MAX; i++) {
        if (!states[i].name) {
            if (i == 0)
                atexit(close_states);
            states[i].L = open_state(name);
            states[i].name = name;
        }
        if (strcmp(states[i].name, name) == 0)
            return states[i].L;
    }
    FUZZ_CHECK(false, "no room for the state of %s", name);
    return NULL;
}

void fuzz_lua(const char *name, const uint8_t *data, size_t size)
{
    lua_State *L = state_of(name);

    lua_pushvalue(L, 1);
    lua_pushlstring(L, (const char *)data, size);
    if (lua_pcall(L, 1, 0, 0))
        FUZZ_CHECK(false, "%s", lua_tostring(L, -1));
    lua_gc(L, LUA_GCCOLLECT, 0); /* the next input begins with what this one had */
}
