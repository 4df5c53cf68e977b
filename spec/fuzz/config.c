/* Configurations as YAML and as JSON: refused with reasons, or frozen into a router and its limits.
 * See lua/config.lua. */
#include "lua_state.h"

GW_FUZZ_TARGET(config)
{
    fuzz_lua("config", data, size);
    return 0;
}
