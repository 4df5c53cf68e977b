#include "base/alloc.h"
#include "cli/commands.h"
#include "server/home.h"
#include "server/lua_call.h"

/* lua/moongate/audit.lua reads the configuration and says what it finds. */
int gw_command_audit(const struct gw_options *options)
{
    char *path = gw_home_config(options->config);
    char *home = path ? gw_home_find() : NULL;
    int code = GW_EXIT_BAD;

    if (home) {
        const char *args[] = { home, path };

        code = gw_lua_command(home, "audit", args, 2);
    }
    gw_free(home);
    gw_free(path);
    return code;
}
