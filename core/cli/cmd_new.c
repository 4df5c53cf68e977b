#include "base/alloc.h"
#include "cli/commands.h"
#include "server/home.h"
#include "server/lua_call.h"

/* lua/moongate/new makes the files; here it is only told what was written. */
int gw_command_new(const struct gw_options *options)
{
    char *home = gw_home_find();
    int code = GW_EXIT_BAD;

    if (home) {
        const char *args[] = { home,           options->args[0], options->args[1],
                               options->hooks, options->dir,     options->from };

        code = gw_lua_command(home, "new", args, 6);
    }
    gw_free(home);
    return code;
}
