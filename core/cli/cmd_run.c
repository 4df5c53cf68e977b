#include "base/alloc.h"
#include "cli/commands.h"
#include "server/home.h"
#include "server/server.h"

int gw_command_run(const struct gw_options *options)
{
    char *config = gw_home_config(options->config);
    char *home = config ? gw_home_find() : NULL;
    int code = GW_EXIT_BAD;

    if (home)
        code = gw_server_run(config, home, options->watch);
    gw_free(home);
    gw_free(config);
    return code;
}
