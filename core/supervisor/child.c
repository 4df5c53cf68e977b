/* Worker processes as the supervisor sees them: how one is started, and what it says. It is a fresh
 * start of the program and not a copy of us: its memory lies elsewhere every time. It is the
 * program that lies on the disk now, to which the Lua beside it belongs; where that one fails to
 * start, the next try is with ours. */
#include "base/fault.h"
#include "base/log.h"
#include "supervisor/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* How it is called in lists of processes; the arguments follow. */
static char worker_name[] = "moongate: worker";

/* What systemd says to the process it started, and to nobody else. */
static const char *const ours_alone[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID" };

unsigned gw_child_place(const struct gw_supervisor *supervisor, const struct gw_child *child)
{
    return (unsigned)(child - supervisor->children);
}

static struct gw_child *free_place(struct gw_supervisor *supervisor)
{
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (supervisor->children[i].state == GW_CHILD_NONE)
            return &supervisor->children[i];
    return NULL;
}

static void clean_signals(void)
{
    static const int changed[] = { SIGPIPE, SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGCHLD };
    sigset_t none;

    for (size_t i = 0; i < sizeof(changed) / sizeof(changed[0]); i++)
        signal(changed[i], SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the new process. */
static _Noreturn void become_worker(const struct gw_supervisor *supervisor, int channel,
                                    bool upgrade)
{
    char text[64];

    clean_signals();
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); /* binding is ours */
    if (!gw_privileges_drop(&supervisor->privileges)) {
        gw_error("cannot run the worker process as %s: %s", supervisor->options->user,
                 strerror(errno));
        _exit(1);
    }
    snprintf(text, sizeof(text), "%d %u", channel, supervisor->restarts);
    setenv(GW_CHANNEL_VARIABLE, text, 1);
    for (size_t i = 0; i < sizeof(ours_alone) / sizeof(ours_alone[0]); i++)
        unsetenv(ours_alone[i]);
    fcntl(channel, F_SETFD, 0);
    supervisor->options->argv[0] = worker_name;
    if (upgrade || supervisor->failures % 2 == 0)
        gw_program_exec(supervisor, true, supervisor->options->argv);
    if (!upgrade)
        gw_program_exec(supervisor, false, supervisor->options->argv);
    gw_error("cannot start the worker process %s: %s", supervisor->program, strerror(errno));
    _exit(127);
}

struct gw_child *gw_child_start(struct gw_supervisor *supervisor, bool upgrade)
{
    struct gw_child *child = free_place(supervisor);
    int ends[2];

    if (!child) {
        gw_error("no worker process can be started: %d of them run already, old ones with long "
                 "streams among them",
                 GW_CHILDREN_MAX);
        return NULL;
    }
    if (!gw_channel_open(ends)) {
        gw_error("no worker process can be started: %s", strerror(errno));
        return NULL;
    }
    pid_t pid = GW_FAULT_SYS(FORK, fork());

    if (pid == 0)
        become_worker(supervisor, ends[1], upgrade);
    close(ends[1]);
    if (pid < 0) {
        gw_error("no worker process can be started: %s", strerror(errno));
        close(ends[0]);
        return NULL;
    }
    *child = (struct gw_child){ .state = GW_CHILD_STARTS, .pid = pid, .channel = ends[0] };
    return child;
}

void gw_child_tell(struct gw_child *child, enum gw_channel_kind kind)
{
    const struct gw_channel_message message = { .kind = kind };

    if (child->channel < 0)
        return;
    if (!GW_FAULT(CHANNEL_TELL) && gw_channel_send(child->channel, &message, -1))
        return;
    gw_warn("the worker process %d cannot be told: %s; sending it SIGTERM", (int)child->pid,
            strerror(errno));
    kill(child->pid, SIGTERM); /* it has no memory for a word, but a signal needs none */
}

void gw_child_listen(struct gw_supervisor *supervisor, struct gw_child *child)
{
    struct gw_channel_message message;
    int passed;

    while (child->channel >= 0) {
        switch (gw_channel_receive(child->channel, &message, &passed)) {
        case GW_CHANNEL_GOT:
            if (passed >= 0)
                close(passed);
            gw_supervisor_hear(supervisor, child, &message);
            break;
        case GW_CHANNEL_NOTHING:
            return;
        case GW_CHANNEL_CLOSED:
            close(child->channel);
            child->channel = -1;
        }
    }
}

void gw_child_describe_end(int status, char *out, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(out, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "ended with exit code %d", WEXITSTATUS(status));
}
