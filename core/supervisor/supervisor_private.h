#pragma once
/* Inside supervisor/: one struct, and who of its files does what with it. */
#include "base/buf.h"
#include "base/list.h"
#include "net/socket_source.h"
#include "supervisor/channel.h"
#include "supervisor/privileges.h"
#include "supervisor/supervisor.h"

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

/* One that serves or starts, one that is to follow it, and old ones with long streams. */
#define GW_CHILDREN_MAX 16

enum gw_child_state {
    GW_CHILD_NONE,   /* the place is free */
    GW_CHILD_STARTS, /* not ready yet */
    GW_CHILD_SERVES,
    GW_CHILD_LEAVES, /* told to end, or ends by itself; gets no sockets any more */
};

struct gw_child {
    enum gw_child_state state;
    pid_t pid;
    int channel; /* -1: closed by the other side */
};

/* --- sockets.c: the sockets that are kept --- */

struct gw_keep {
    struct gw_list addresses; /* struct kept_address */
    struct gw_socket_source *source;
};

void gw_keep_init(struct gw_keep *keep);
void gw_keep_deinit(struct gw_keep *keep); /* closes all, removes the files of unix sockets */

/* Answers GET, ACCESS and RELEASE of the child in that place. */
void gw_keep_get(struct gw_keep *keep, unsigned child, const struct gw_channel_message *question,
                 int channel);
void gw_keep_access(struct gw_keep *keep, const struct gw_channel_message *question, int channel);
void gw_keep_release(struct gw_keep *keep, unsigned child, const struct gw_addr *addr);

/* The child serves: what it did not ask for is closed, since nobody would accept there. */
void gw_keep_settle(struct gw_keep *keep, unsigned child);

/* The child is gone. `served`: its sockets wait for the next one, else those that only it wanted
 * are closed. */
void gw_keep_leave(struct gw_keep *keep, unsigned child, bool served);

/* A socket that was there before us (systemd's): it stays open whatever happens, since the one who
 * passed it has it, too. `fd` moves. */
void gw_keep_give(struct gw_keep *keep, const struct gw_addr *addr, int fd);

/* For an upgrade: everything as lines of text, and back. The descriptors keep their numbers; with
 * `inherit` they survive exec. False when the line cannot be read. */
void gw_keep_save(const struct gw_keep *keep, struct gw_buf *out);
bool gw_keep_load(struct gw_keep *keep, const char *line);
void gw_keep_inherit(const struct gw_keep *keep, bool inherit);

/* Closes the copies, so that nobody queues for a process that will not come; unix sockets keep
 * their files until gw_keep_deinit(). */
void gw_keep_close(struct gw_keep *keep);

/* --- supervisor.c and child.c --- */

struct gw_supervisor {
    const struct gw_supervisor_options *options;
    char program[PATH_MAX]; /* what is started: the file's name as it was called */
    struct gw_child children[GW_CHILDREN_MAX];
    struct gw_keep keep;
    struct gw_privileges privileges; /* of worker processes */
    int64_t watchdog_ms;             /* how often systemd wants to hear from us; 0: never */
    int64_t next_sign_ms;
    int signals;             /* signalfd */
    unsigned restarts;       /* worker processes that had to be replaced */
    unsigned failures;       /* in a row, before they were ready */
    int64_t start_at_ms;     /* when the next try is due; 0: none waits */
    bool was_ready;          /* there was a good start */
    pid_t upgrade;           /* the worker process that is to follow; 0: no upgrade runs */
    int64_t upgrade_ends_ms; /* when it must be ready */
    bool exec_due;           /* it is: now we follow */
    unsigned stops;          /* how often we were told to end */
    bool done;
    int exit_code;
};

/* Milliseconds of the monotonic clock. */
int64_t gw_supervisor_now(void);

/* Starts a worker process; it is in state STARTS then. `upgrade`: of the program on the disk, or
 * none. NULL when that cannot be, which was logged. */
struct gw_child *gw_child_start(struct gw_supervisor *supervisor, bool upgrade);

/* Sends a message without contents. */
void gw_child_tell(struct gw_child *child, enum gw_channel_kind kind);

/* Takes what the child says until nothing is left. */
void gw_child_listen(struct gw_supervisor *supervisor, struct gw_child *child);

/* What a child said (child.c calls it). */
void gw_supervisor_hear(struct gw_supervisor *supervisor, struct gw_child *child,
                        const struct gw_channel_message *message);

unsigned gw_child_place(const struct gw_supervisor *supervisor, const struct gw_child *child);

/* Whether a descriptor survives exec. */
void gw_supervisor_inherit(int fd, bool inherit);

struct gw_child *gw_supervisor_find(struct gw_supervisor *supervisor, enum gw_child_state state);
bool gw_supervisor_has_children(const struct gw_supervisor *supervisor);

/* Starts a worker process, or tries again later. */
void gw_supervisor_start(struct gw_supervisor *supervisor);

/* Looks who died, and does what that asks for. */
void gw_supervisor_bury(struct gw_supervisor *supervisor);

/* --- signals.c --- */

/* False when there is no descriptor for it: errno says why. */
bool gw_signals_open(struct gw_supervisor *supervisor);
void gw_signals_take(struct gw_supervisor *supervisor); /* all that came */

/* --- tell.c: to systemd --- */

void gw_tell_ready(const char *status);
void gw_tell_reloading(void);
void gw_tell_lost(const char *how);
void gw_tell_stopping(void);
void gw_tell_alive(struct gw_supervisor *supervisor); /* when a sign of life is due */

/* --- activation.c --- */

/* Takes the sockets that systemd passed. False when one is of no use, which was logged. */
bool gw_activation_take(struct gw_keep *keep);

/* --- program.c --- */

/* Finds the file we were started from, by the name it was called, because the name is what an
 * upgrade replaces. */
void gw_program_find(struct gw_supervisor *supervisor);

/* Starts the file that has that name now, or the one we run from. Does not return when it works;
 * errno says why. */
void gw_program_exec(const struct gw_supervisor *supervisor, bool by_name, char **argv);

/* --- upgrade.c --- */

/* Starts a worker process of the program that lies there now. */
void gw_upgrade_begin(struct gw_supervisor *supervisor);

/* It did not become ready: we stay as we are. */
void gw_upgrade_fail(struct gw_supervisor *supervisor, const char *how);

/* It takes too long. */
void gw_upgrade_give_up(struct gw_supervisor *supervisor);

/* Becomes the new program, with everything we have. Returns only when that cannot be. */
void gw_upgrade_exec(struct gw_supervisor *supervisor);

/* In the new program: takes over what the old one left. False when there was none; when it cannot
 * be read the process ends, and worker processes with it. */
bool gw_upgrade_resume(struct gw_supervisor *supervisor);

/* "was killed by signal 9 (Killed)", "ended with exit code 1". */
void gw_child_describe_end(int status, char *out, size_t size);
