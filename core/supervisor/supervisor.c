/* One loop: signals, what worker processes say, and the time of the next try; and the rules of who
 * is started when. */
#include "supervisor/supervisor.h"

#include "base/check.h"
#include "base/log.h"
#include "supervisor/notify.h"
#include "supervisor/supervisor_private.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 10000

/* What a command answers with on purpose (server/options.h): then another try gives the same. */
#define EXIT_BAD 1
#define EXIT_DELIBERATE 3

int64_t gw_supervisor_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct gw_child *gw_supervisor_find(struct gw_supervisor *supervisor, enum gw_child_state state)
{
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (supervisor->children[i].state == state)
            return &supervisor->children[i];
    return NULL;
}

/* --- starting, and starting again --- */

void gw_supervisor_start(struct gw_supervisor *supervisor)
{
    supervisor->start_at_ms = 0;
    if (!gw_child_start(supervisor, false))
        supervisor->start_at_ms = gw_supervisor_now() + LONGEST_PAUSE_MS;
}

/* The first pause is short, for what was only in the way for a moment. */
static int64_t next_pause(struct gw_supervisor *supervisor)
{
    int64_t pause_ms = FIRST_PAUSE_MS;

    for (unsigned i = 0; i < supervisor->failures && pause_ms < LONGEST_PAUSE_MS; i++)
        pause_ms *= 2;
    supervisor->failures++;
    return pause_ms < LONGEST_PAUSE_MS ? pause_ms : LONGEST_PAUSE_MS;
}

/* --- what worker processes say --- */

static void on_ready(struct gw_supervisor *supervisor, struct gw_child *child)
{
    struct gw_child *before = gw_supervisor_find(supervisor, GW_CHILD_SERVES);

    if (child->state != GW_CHILD_STARTS)
        return;
    child->state = GW_CHILD_SERVES;
    supervisor->was_ready = true;
    supervisor->failures = 0;
    gw_keep_settle(&supervisor->keep, gw_child_place(supervisor, child));
    if (before) {
        before->state = GW_CHILD_LEAVES;
        gw_child_tell(before, GW_CHANNEL_RETIRE);
    }
    if (supervisor->upgrade == child->pid) {
        supervisor->upgrade = 0;
        supervisor->exec_due = true;
    }
}

/* Somebody told it to end, and not us: another takes its place now, not when it has ended. */
static void on_leaving(struct gw_supervisor *supervisor, struct gw_child *child)
{
    bool served = child->state == GW_CHILD_SERVES;

    if (!served || supervisor->stops)
        return;
    child->state = GW_CHILD_LEAVES;
    gw_keep_leave(&supervisor->keep, gw_child_place(supervisor, child), true);
    gw_warn("the worker process %d was told to end by somebody else: starting another",
            (int)child->pid);
    supervisor->restarts++;
    if (!gw_supervisor_find(supervisor, GW_CHILD_STARTS))
        gw_supervisor_start(supervisor);
}

static void on_question(struct gw_supervisor *supervisor, struct gw_child *child,
                        const struct gw_channel_message *question)
{
    const struct gw_channel_message refusal = {
        .kind = GW_CHANNEL_SOCKET,
        .serial = question->serial,
        .text = "this process ends and gets no sockets any more",
    };

    if (child->state == GW_CHILD_LEAVES || supervisor->stops)
        gw_channel_send(child->channel, &refusal, -1);
    else
        gw_keep_get(&supervisor->keep, gw_child_place(supervisor, child), question, child->channel);
}

void gw_supervisor_hear(struct gw_supervisor *supervisor, struct gw_child *child,
                        const struct gw_channel_message *message)
{
    switch ((enum gw_channel_kind)message->kind) {
    case GW_CHANNEL_GET:
    case GW_CHANNEL_GET_KEPT:
        on_question(supervisor, child, message);
        return;
    case GW_CHANNEL_ACCESS:
        gw_keep_access(&supervisor->keep, message, child->channel);
        return;
    case GW_CHANNEL_RELEASE:
        if (child->state != GW_CHILD_LEAVES && !supervisor->stops)
            gw_keep_release(&supervisor->keep, gw_child_place(supervisor, child), &message->addr);
        return;
    case GW_CHANNEL_READY:
        on_ready(supervisor, child);
        if (child->state == GW_CHILD_SERVES && !supervisor->stops)
            gw_tell_ready(message->text);
        return;
    case GW_CHANNEL_LEAVING:
        on_leaving(supervisor, child);
        return;
    case GW_CHANNEL_RELOADING:
        if (child->state == GW_CHILD_SERVES && !supervisor->stops)
            gw_tell_reloading();
        return;
    case GW_CHANNEL_UNKNOWN:
    case GW_CHANNEL_SOCKET:
    case GW_CHANNEL_STOP:
    case GW_CHANNEL_RETIRE:
        return;
    }
}

/* --- the end of a worker process --- */

static int exit_code_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_BAD;
}

static void end_with(struct gw_supervisor *supervisor, int code)
{
    supervisor->exit_code = code;
    supervisor->done = true;
}

static void on_never_ready(struct gw_supervisor *supervisor, pid_t pid, int status)
{
    bool deliberate = WIFEXITED(status) && WEXITSTATUS(status) <= EXIT_DELIBERATE;
    char how[96];

    gw_child_describe_end(status, how, sizeof(how));
    if (supervisor->upgrade == pid) {
        gw_upgrade_fail(supervisor, how);
        if (gw_supervisor_find(supervisor, GW_CHILD_SERVES))
            return;
    }
    if (!supervisor->was_ready && deliberate) {
        end_with(supervisor, WEXITSTATUS(status)); /* it has said what is wrong */
        return;
    }
    int64_t pause_ms = next_pause(supervisor);

    gw_error("the worker process %d %s before it was ready: trying again in %.1f s", (int)pid, how,
             (double)pause_ms / 1000);
    supervisor->start_at_ms = gw_supervisor_now() + pause_ms;
}

static void on_lost(struct gw_supervisor *supervisor, pid_t pid, int status)
{
    char how[96];

    supervisor->restarts++;
    gw_child_describe_end(status, how, sizeof(how));
    gw_error("the worker process %d %s: starting another (restart %u)", (int)pid, how,
             supervisor->restarts);
    gw_tell_lost(how);
    if (!gw_supervisor_find(supervisor, GW_CHILD_STARTS))
        gw_supervisor_start(supervisor);
}

bool gw_supervisor_has_children(const struct gw_supervisor *supervisor)
{
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (supervisor->children[i].state != GW_CHILD_NONE)
            return true;
    return false;
}

static void on_end_of_leaver(const struct gw_supervisor *supervisor, pid_t pid, int status)
{
    char how[96];

    if (supervisor->stops || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return;
    gw_child_describe_end(status, how, sizeof(how));
    gw_error("the old worker process %d %s", (int)pid, how);
}

static void on_death(struct gw_supervisor *supervisor, struct gw_child *child, int status)
{
    gw_child_listen(supervisor, child); /* what it said before */
    const struct gw_child dead = *child;
    bool served = dead.state == GW_CHILD_SERVES;

    if (child->channel >= 0)
        close(child->channel);
    *child = (struct gw_child){ .channel = -1 };
    if (dead.state != GW_CHILD_LEAVES)
        gw_keep_leave(&supervisor->keep, gw_child_place(supervisor, child), served);
    if (supervisor->stops) {
        if (dead.state != GW_CHILD_LEAVES)
            supervisor->exit_code = exit_code_of(status);
        supervisor->done = !gw_supervisor_has_children(supervisor);
        return;
    }
    switch (dead.state) {
    case GW_CHILD_NONE:
        return;
    case GW_CHILD_STARTS:
        on_never_ready(supervisor, dead.pid, status);
        return;
    case GW_CHILD_SERVES:
        on_lost(supervisor, dead.pid, status);
        return;
    case GW_CHILD_LEAVES:
        on_end_of_leaver(supervisor, dead.pid, status);
    }
}

/* Others' children come to us when we are the first process of a container: they are only
 * buried. */
void gw_supervisor_bury(struct gw_supervisor *supervisor)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
            if (supervisor->children[i].state != GW_CHILD_NONE &&
                supervisor->children[i].pid == pid)
                on_death(supervisor, &supervisor->children[i], status);
}

/* --- the loop --- */

static int time_left(const struct gw_supervisor *supervisor)
{
    const int64_t due_ms[] = {
        supervisor->start_at_ms,
        supervisor->upgrade ? supervisor->upgrade_ends_ms : 0,
        supervisor->watchdog_ms ? supervisor->next_sign_ms : 0,
    };
    int64_t now_ms = gw_supervisor_now(), left = INT_MAX;

    for (size_t i = 0; i < GW_ARRAY_LEN(due_ms); i++)
        if (due_ms[i] && due_ms[i] - now_ms < left)
            left = due_ms[i] - now_ms;
    if (left == INT_MAX)
        return -1;
    return left < 0 ? 0 : (int)left;
}

static void turn(struct gw_supervisor *supervisor)
{
    struct pollfd polled[1 + GW_CHILDREN_MAX] = { { supervisor->signals, POLLIN, 0 } };

    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++) {
        const struct gw_child *child = &supervisor->children[i];

        polled[1 + i].fd = child->state == GW_CHILD_NONE ? -1 : child->channel;
        polled[1 + i].events = POLLIN;
    }
    poll(polled, GW_ARRAY_LEN(polled), time_left(supervisor));
    if (polled[0].revents)
        gw_signals_take(supervisor);
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (polled[1 + i].revents && supervisor->children[i].state != GW_CHILD_NONE)
            gw_child_listen(supervisor, &supervisor->children[i]);
    if (supervisor->start_at_ms && gw_supervisor_now() >= supervisor->start_at_ms)
        gw_supervisor_start(supervisor);
    if (supervisor->upgrade && gw_supervisor_now() >= supervisor->upgrade_ends_ms)
        gw_upgrade_give_up(supervisor);
    gw_tell_alive(supervisor);
    if (supervisor->exec_due && !supervisor->stops)
        gw_upgrade_exec(supervisor);
}

static void begin(struct gw_supervisor *supervisor)
{
    if (gw_upgrade_resume(supervisor))
        gw_supervisor_bury(supervisor); /* who died while we were between two programs */
    else if (gw_activation_take(&supervisor->keep))
        gw_supervisor_start(supervisor);
    else
        end_with(supervisor, EXIT_BAD);
}

int gw_supervisor_run(const struct gw_supervisor_options *options)
{
    struct gw_supervisor supervisor = { .options = options };
    char why[160];

    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        supervisor.children[i].channel = -1;
    if (!gw_privileges_find(&supervisor.privileges, options->user, why, sizeof(why))) {
        gw_error("--user %s: %s", options->user, why);
        return EXIT_BAD;
    }
    gw_program_find(&supervisor);
    gw_keep_init(&supervisor.keep);
    if (!gw_signals_open(&supervisor)) {
        gw_error("cannot listen to signals: %s", strerror(errno));
        gw_keep_deinit(&supervisor.keep);
        return EXIT_BAD;
    }
    supervisor.watchdog_ms = gw_notify_watchdog_ms();
    begin(&supervisor);
    while (!supervisor.done)
        turn(&supervisor);
    gw_keep_deinit(&supervisor.keep);
    close(supervisor.signals);
    return supervisor.exit_code;
}
