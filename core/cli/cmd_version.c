#include "cli/commands.h"

#include <ares.h>
#include <lauxlib.h>
#include <llhttp.h>
#include <luajit.h>
#include <lualib.h>
#include <openssl/crypto.h>
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <uv.h>

/* --- does compiled code look at hooks? --- */

#define CALLS 20000

static int calls;

static void on_hook(lua_State *L, lua_Debug *debug)
{
    (void)debug;
    lua_sethook(L, NULL, 0, 0);
    luaL_error(L, "seen");
}

/* Called from a loop that is compiled by then: it ends at once where hooks are looked at. */
static void count_call(lua_State *L)
{
    if (++calls == CALLS / 2)
        lua_sethook(L, on_hook, LUA_MASKCOUNT, 1);
}

static const char experiment[] =
    "local ffi, call, L, n = require('ffi'), ...\n"
    "call, L = ffi.cast('void (**)(void *)', call)[0], ffi.cast('void *', L)\n"
    "for i = 1, n do call(L) end\n";

static bool compiled_code_sees_hooks(void)
{
    lua_State *L = luaL_newstate();
    static void (*const function)(lua_State * L) = count_call;

    if (!L)
        return false;
    luaL_openlibs(L);
    if (luaL_loadstring(L, experiment) == 0) {
        lua_pushlightuserdata(L, (void *)(uintptr_t)&function);
        lua_pushlightuserdata(L, L);
        lua_pushinteger(L, CALLS);
        (void)lua_pcall(L, 3, 0, 0);
    }
    lua_close(L);
    return calls > 0 && calls < CALLS;
}

int gw_command_version(const struct gw_options *options)
{
    char pcre[64] = "";

    (void)options;
    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    printf("moongate " GW_VERSION "\n");
    printf("  %s; lua.budget %s\n", LUAJIT_VERSION,
           compiled_code_sees_hooks() ? "holds in compiled code, too"
                                      : "stops what is interpreted, lua.stuck_limit the rest");
    printf("  libuv %s\n", uv_version_string());
    printf("  llhttp %d.%d.%d\n", LLHTTP_VERSION_MAJOR, LLHTTP_VERSION_MINOR, LLHTTP_VERSION_PATCH);
    printf("  %s\n", OpenSSL_version(OPENSSL_VERSION));
    printf("  PCRE2 %s\n", pcre);
    printf("  c-ares %s\n", ares_version(NULL));
    return GW_EXIT_GOOD;
}
