/* Lua's patterns as plugins get them that are not trusted: the same answers as Lua's own, as long
 * as they do not take too many steps. See lua/pattern.lua. */
#include "lua_state.h"

GW_FUZZ_TARGET(pattern)
{
    fuzz_lua("pattern", data, size);
    return 0;
}
