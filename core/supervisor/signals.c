/* What we are told from outside. Signals come through a descriptor and stay blocked, so none is
 * lost while we look elsewhere, nor while an upgrade makes us another program. */
#include "base/check.h"
#include "base/fault.h"
#include "supervisor/supervisor_private.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void stop(struct gw_supervisor *supervisor)
{
    supervisor->stops++;
    gw_tell_stopping();
    supervisor->start_at_ms = 0;
    gw_keep_close(&supervisor->keep);
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        gw_child_tell(&supervisor->children[i], GW_CHANNEL_STOP);
    supervisor->done = !gw_supervisor_has_children(supervisor);
}

static void pass_on(struct gw_supervisor *supervisor, int signal_number)
{
    struct gw_child *serving = gw_supervisor_find(supervisor, GW_CHILD_SERVES);

    if (serving)
        kill(serving->pid, signal_number);
}

static void reload(struct gw_supervisor *supervisor)
{
    if (supervisor->stops) /* and the worker process may be past listening to signals */
        return;
    if (supervisor->start_at_ms) /* what was wrong may be right now */
        gw_supervisor_start(supervisor);
    else
        pass_on(supervisor, SIGHUP);
}

/* Old processes write logs, too. */
static void reopen_logs(struct gw_supervisor *supervisor)
{
    if (supervisor->stops)
        return;
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (supervisor->children[i].state == GW_CHILD_SERVES ||
            supervisor->children[i].state == GW_CHILD_LEAVES)
            kill(supervisor->children[i].pid, SIGUSR1);
}

static void on_signal(struct gw_supervisor *supervisor, int number)
{
    switch (number) {
    case SIGTERM:
    case SIGINT:
        stop(supervisor);
        break;
    case SIGHUP:
        reload(supervisor);
        break;
    case SIGUSR2:
        gw_upgrade_begin(supervisor);
        break;
    case SIGUSR1:
        reopen_logs(supervisor);
        break;
    case SIGCHLD:
        gw_supervisor_bury(supervisor);
        break;
    }
}

void gw_signals_take(struct gw_supervisor *supervisor)
{
    struct signalfd_siginfo info;

    while (read(supervisor->signals, &info, sizeof(info)) == sizeof(info))
        on_signal(supervisor, (int)info.ssi_signo);
}

bool gw_signals_open(struct gw_supervisor *supervisor)
{
    static const int ours[] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD };
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < GW_ARRAY_LEN(ours); i++)
        sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    supervisor->signals = GW_FAULT_SYS(SIGNAL_FD, signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    return supervisor->signals >= 0;
}
