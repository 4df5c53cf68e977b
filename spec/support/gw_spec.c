/* The spec host: busted inside a process that carries the whole core, so that specs call C through
 * FFI and the sanitizers see what they do. Takes busted's arguments:
 *
 *     gw-spec spec/unit/base */
#include "base/check.h"
#include "harness/harness.h"
#include "scratch.h"

#include <lauxlib.h>
#include <luajit.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>

static int exit_code = -1;              /* what os.exit() was called with */
static char running[512] = "the start"; /* the spec at work, for when the process dies in it */

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void say_what_ran(void)
{
    fprintf(stderr, "gw-spec: died in: %s\n", running);
}

static int host_set_running(lua_State *L)
{
    snprintf(running, sizeof(running), "%s", luaL_checkstring(L, 1));
    return 0;
}

/* Unwinds to main() instead of leaving the process, so that the state is closed and a leak is a
 * real one. */
static int host_exit(lua_State *L)
{
    if (lua_isboolean(L, 1))
        exit_code = lua_toboolean(L, 1) ? 0 : 1;
    else
        exit_code = (int)luaL_optinteger(L, 1, 0);
    return luaL_error(L, "exit");
}

static int add_traceback(lua_State *L)
{
    if (exit_code < 0 && lua_isstring(L, 1))
        luaL_traceback(L, L, lua_tostring(L, 1), 1);
    return 1;
}

static void set_string(lua_State *L, const char *field, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, field);
}

/* What spec/support/boot.lua gets: the arguments in `arg`, and where things are. */
static void push_host(lua_State *L, int argc, char **argv)
{
    lua_createtable(L, argc, 0);
    for (int i = 0; i < argc; i++) {
        lua_pushstring(L, argv[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setglobal(L, "arg");

    lua_getglobal(L, "os");
    lua_pushcfunction(L, host_exit);
    lua_setfield(L, -2, "exit");
    lua_pop(L, 1);

    lua_newtable(L);
    set_string(L, "source_dir", GW_SOURCE_DIR);
    set_string(L, "build_dir", GW_BUILD_DIR);
    set_string(L, "scratch_dir", spec_scratch_open());
    lua_pushcfunction(L, host_set_running);
    lua_setfield(L, -2, "set_running");
}

int main(int argc, char **argv)
{
    lua_State *L = luaL_newstate();

    if (!L) {
        fprintf(stderr, "gw-spec: cannot create a Lua state\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    gw_check_on_fail = say_what_ran;
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(say_what_ran);
    luaL_openlibs(L);
    /* Compiled code may not call back into Lua through FFI, which specs do all the time. */
    luaJIT_setmode(L, 0, LUAJIT_MODE_ENGINE | LUAJIT_MODE_OFF);

    lua_pushcfunction(L, add_traceback);
    int failed = luaL_loadfile(L, GW_SOURCE_DIR "/spec/support/boot.lua");

    if (!failed) {
        gw_harness_open(L, GW_SOURCE_DIR);
        push_host(L, argc, argv);
        failed = lua_pcall(L, 1, 0, 1);
    }
    if (failed && exit_code < 0) {
        if (lua_isstring(L, -1)) /* busted ends failed runs with an error without a message */
            fprintf(stderr, "gw-spec: %s\n", lua_tostring(L, -1));
        exit_code = 1;
    }
    snprintf(running, sizeof(running), "the end, when everything should have been freed");
    lua_close(L);
    spec_scratch_close();
    return exit_code < 0 ? 0 : exit_code;
}
