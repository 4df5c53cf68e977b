#pragma once
/* What the files share that give the harness to Lua. */
#include "base/log.h"
#include "harness/harness.h"

#include <lauxlib.h>

#define GW_HARNESS_TYPE "moongate.harness"

/* What the userdata holds. */
struct gw_harness_handle {
    struct gw_harness *harness; /* NULL once it is closed */
    int loader;                 /* in the registry; of the generation being loaded */
    bool turning;
    enum gw_log_level level, level_outside;
};

/* The harness that is the first argument; raises where it is closed. */
struct gw_harness *gw_harness_check(lua_State *L);
unsigned gw_harness_check_id(lua_State *L, int at);

/* Around what may run hooks: lines of the error log become events meanwhile. Nothing between the
 * two may raise. */
struct gw_harness *gw_harness_begin(lua_State *L);
void gw_harness_end(lua_State *L);

extern const luaL_Reg gw_harness_wire_methods[];
