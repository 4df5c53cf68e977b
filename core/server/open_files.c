#include "server/open_files.h"

#include "base/log.h"
#include "config/config.h"

#include <inttypes.h>
#include <sys/resource.h>

/* Ours: listening sockets, loops, logs, admin … */
#define OWN_FILES 100

void gw_open_files_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        gw_warn("the limit of open files stays as it was: it cannot be raised");
}

/* Each client's request may need a connection to a service. */
static uint64_t files_needed(const struct gw_config *config)
{
    uint64_t connections = 0;

    for (unsigned i = 0; i < config->listener_count; i++)
        connections += config->listeners[i].limits.connections;
    return connections * 2 + OWN_FILES;
}

void gw_open_files_judge(const struct gw_config *config, uint64_t *judged)
{
    uint64_t needed = files_needed(config);
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || needed <= limit.rlim_cur || needed == *judged)
        return;
    *judged = needed;
    gw_warn("limits.connections: the listeners may take %" PRIu64 " connections, which with those "
            "to services need %" PRIu64 " descriptors, but only %" PRIu64 " files may be open: "
            "idle connections will be closed early (raise LimitNOFILE= or ulimit -Hn, or lower "
            "limits.connections)",
            (needed - OWN_FILES) / 2, needed, (uint64_t)limit.rlim_cur);
}
