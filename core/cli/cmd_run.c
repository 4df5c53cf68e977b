#include "base/alloc.h"
#include "cli/commands.h"
#include "server/error_log.h"
#include "server/home.h"
#include "server/parent.h"
#include "server/server.h"
#include "supervisor/supervisor.h"

static int serve(const struct gw_options *options)
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

/* Two processes run this command: the supervisor, and the worker process that it starts. */
int gw_command_run(const struct gw_options *options)
{
    const struct gw_supervisor_options supervisor = { .argv = options->argv };

    if (options->alone || gw_parent_exists())
        return serve(options);
    gw_error_log_install();
    return gw_supervisor_run(&supervisor);
}
