/* Plugins' configurations: any JSON value against the schema of every bundled plugin.
 * See lua/schema.lua. */
#include "lua_state.h"

GW_FUZZ_TARGET(schema)
{
    fuzz_lua("schema", data, size);
    return 0;
}
