/* SIGUSR2: another program for the same service, without a moment in which nobody serves.
 *
 * First the new program has to show that it can: it is started as a worker process beside the one
 * that serves, with our sockets. Only when it is ready does the old one retire, and do we become
 * the new program ourselves, by exec: same process, same children, same sockets; what is in memory
 * goes along as text. Whatever fails before that leaves everything as it was. */
#include "base/fault.h"
#include "base/log.h"
#include "supervisor/supervisor_private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define READY_TIME_MS 60000

/* Names the descriptor with what the old program left. */
#define STATE_VARIABLE "MOONGATE_SUPERVISOR_STATE"
#define STATE_TITLE "moongate supervisor 1"
#define STATE_MAX (1024 * 1024)

void gw_upgrade_begin(struct gw_supervisor *supervisor)
{
    if (supervisor->stops)
        return;
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        if (supervisor->children[i].state == GW_CHILD_STARTS) {
            gw_error("upgrade: not now, the worker process %d is still starting",
                     (int)supervisor->children[i].pid);
            return;
        }
    struct gw_child *child = gw_child_start(supervisor, true);

    if (!child)
        return;
    gw_notice("upgrade: starting a worker process of %s", supervisor->program);
    supervisor->start_at_ms = 0;
    supervisor->upgrade = child->pid;
    supervisor->upgrade_ends_ms = gw_supervisor_now() + READY_TIME_MS;
}

void gw_upgrade_fail(struct gw_supervisor *supervisor, const char *how)
{
    gw_error("upgrade: the new worker process %d %s before it was ready: the old one goes on "
             "serving",
             (int)supervisor->upgrade, how);
    supervisor->upgrade = 0;
}

void gw_upgrade_give_up(struct gw_supervisor *supervisor)
{
    gw_error("upgrade: the new worker process %d is not ready after %d s", (int)supervisor->upgrade,
             READY_TIME_MS / 1000);
    supervisor->upgrade_ends_ms += READY_TIME_MS; /* its death comes as a signal before that */
    kill(supervisor->upgrade, SIGKILL);
}

/* --- becoming the new program --- */

void gw_supervisor_inherit(int fd, bool inherit)
{
    if (fd >= 0)
        fcntl(fd, F_SETFD, inherit ? 0 : FD_CLOEXEC);
}

static void inherit_all(const struct gw_supervisor *supervisor, bool inherit)
{
    gw_keep_inherit(&supervisor->keep, inherit);
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++)
        gw_supervisor_inherit(supervisor->children[i].channel, inherit);
}

static void save(const struct gw_supervisor *supervisor, struct gw_buf *out)
{
    gw_buf_printf(out, "%s\nrestarts %u\n", STATE_TITLE, supervisor->restarts);
    for (unsigned i = 0; i < GW_CHILDREN_MAX; i++) {
        const struct gw_child *child = &supervisor->children[i];

        if (child->state != GW_CHILD_NONE)
            gw_buf_printf(out, "child %u %d %d %d\n", i, (int)child->state, (int)child->pid,
                          child->channel);
    }
    gw_keep_save(&supervisor->keep, out);
}

/* Returns a descriptor to read it from, at its beginning; -1 with errno. */
static int store(const struct gw_buf *text)
{
    int fd = GW_FAULT_SYS(UPGRADE_STATE, memfd_create("moongate supervisor", 0));

    if (fd < 0)
        return -1;
    if (write(fd, text->data, text->len) == (ssize_t)text->len && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    close(fd);
    return -1;
}

void gw_upgrade_exec(struct gw_supervisor *supervisor)
{
    struct gw_buf text;
    char number[16];

    supervisor->exec_due = false;
    gw_buf_init(&text, STATE_MAX);
    save(supervisor, &text);
    int fd = store(&text);

    gw_buf_deinit(&text);
    if (fd >= 0) {
        snprintf(number, sizeof(number), "%d", fd);
        setenv(STATE_VARIABLE, number, 1);
        inherit_all(supervisor, true);
        gw_program_exec(supervisor, true, supervisor->options->argv);
        inherit_all(supervisor, false);
        unsetenv(STATE_VARIABLE);
        close(fd);
    }
    gw_error("upgrade: the new worker process serves, but the supervisor cannot become %s: %s; it "
             "stays what it was",
             supervisor->program, strerror(errno));
}

/* --- in the new program --- */

static bool load_child(struct gw_supervisor *supervisor, const char *line)
{
    unsigned place;
    int state, pid, channel;

    if (sscanf(line, "child %u %d %d %d", &place, &state, &pid, &channel) != 4 ||
        place >= GW_CHILDREN_MAX)
        return false;
    supervisor->children[place] = (struct gw_child){ (enum gw_child_state)state, pid, channel };
    return true;
}

static bool load_line(struct gw_supervisor *supervisor, const char *line)
{
    if (strncmp(line, "child ", 6) == 0)
        return load_child(supervisor, line);
    if (strncmp(line, "address ", 8) == 0)
        return gw_keep_load(&supervisor->keep, line);
    if (strncmp(line, "restarts ", 9) == 0)
        return sscanf(line, "restarts %u", &supervisor->restarts) == 1;
    return true; /* of a newer version: good to have, not needed */
}

static bool load(struct gw_supervisor *supervisor, char *text)
{
    char *rest = NULL;
    char *line = strtok_r(text, "\n", &rest);
    bool good = line && strcmp(line, STATE_TITLE) == 0;

    while (good && (line = strtok_r(NULL, "\n", &rest)))
        good = load_line(supervisor, line);
    return good;
}

static bool read_all(int fd, struct gw_buf *text)
{
    char *room = gw_buf_reserve(text, STATE_MAX);
    ssize_t got = read(fd, room, STATE_MAX - 1);

    close(fd);
    if (got <= 0)
        return false;
    room[got] = '\0';
    return true;
}

bool gw_upgrade_resume(struct gw_supervisor *supervisor)
{
    const char *number = getenv(STATE_VARIABLE);
    struct gw_buf text;

    if (!number)
        return false;
    gw_buf_init(&text, STATE_MAX);
    bool good = read_all((int)strtol(number, NULL, 10), &text) && load(supervisor, text.data);

    gw_buf_deinit(&text);
    unsetenv(STATE_VARIABLE);
    inherit_all(supervisor, false);
    if (!good) {
        gw_error("upgrade: what the old supervisor left in %s cannot be read", STATE_VARIABLE);
        _exit(1);
    }
    supervisor->was_ready = true;
    gw_notice("upgrade: the supervisor is moongate " GW_VERSION " now");
    return true;
}
