#pragma once
/* Faults in what Lua's own library asks of the system. */
#include "base/fault.h"

#ifndef GW_CDEF
#include <lua.h>
#endif

/* Puts io.open and loadfile in whose place they fail where GW_FAULT says so. May raise. */
void gw_lua_add_faults(lua_State *L);

#ifndef GW_CDEF
#ifndef GW_FAULTS
#define gw_lua_add_faults(L) ((void)(L))
#endif
#endif
