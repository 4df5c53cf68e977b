/* JSON as plugins see it: what was read is the same when it is written and read again.
 * See lua/json.lua. */
#include "lua_state.h"

GW_FUZZ_TARGET(json)
{
    fuzz_lua("json", data, size);
    return 0;
}
