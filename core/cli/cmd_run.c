#include "base/alloc.h"
#include "base/log.h"
#include "cli/commands.h"
#include "server/confine.h"
#include "server/error_log.h"
#include "server/home.h"
#include "server/parent.h"
#include "server/runtime_dir.h"
#include "server/server.h"
#include "supervisor/supervisor.h"

#include <errno.h>
#include <string.h>

static int serve(const struct gw_options *options)
{
    char *config = gw_home_config(options->config);
    char *home = config ? gw_home_find() : NULL;
    int code = GW_EXIT_BAD;

    if (!gw_confine(gw_confine_complete()))
        gw_info("this system cannot keep the process from starting others: %s", strerror(errno));
    if (home)
        code = gw_server_run(config, home, options->watch);
    gw_free(home);
    gw_free(config);
    return code;
}

static int supervise(const struct gw_options *options)
{
    const struct gw_supervisor_options supervisor = { options->argv, options->user };
    char why[256];

    gw_error_log_install();
    if (options->user && !gw_runtime_share(why, sizeof(why)))
        gw_warn("%s", why); /* admin.address may stand elsewhere */
    return gw_supervisor_run(&supervisor);
}

/* Two processes run this command: the supervisor, and the worker process that it starts. */
int gw_command_run(const struct gw_options *options)
{
    if (options->alone && options->user) {
        gw_complain("run", "--user goes with a supervisor only",
                    "leave out --no-supervisor, or start it as that user");
        return GW_EXIT_USAGE;
    }
    if (options->alone || gw_parent_exists())
        return serve(options);
    return supervise(options);
}
