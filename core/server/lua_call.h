#pragma once
/* Calls into lua/moongate from threads that are no workers: a state for one errand. */
#include <lua.h>
#include <stdbool.h>

/* A state with the libraries and our module path, protected calls only from here on. NULL, which
 * was said in the error log, when there is no memory for one. Close it with lua_close(). */
lua_State *gw_lua_open(const char *home);

/* require(module)[function](args…) with the arguments on the stack (all of it), protected; leaves
 * `results` values, or one text with a traceback and returns false. */
bool gw_lua_call(lua_State *L, const char *module, const char *function, int results);

/* For commands: calls moongate.cli's function with texts; it prints and returns the exit code. */
int gw_lua_command(const char *home, const char *function, const char *const *args, unsigned count);
