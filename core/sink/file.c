/* Lines into a file, with O_APPEND, so that several writers do not mix theirs. What blocks (a pipe
 * nobody reads) or fails (a full disk) is tried again, soon and from the byte where it stopped;
 * meanwhile lines wait in the queue, as many as it holds. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "sink/sink_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 64
#define RETRY_US 1000000ull
#define SAY_US 60000000ull
#define LAST_WAIT_MS 1000 /* for a pipe to take something, when the process ends */

struct gw_sink_file {
    int fd;          /* -1: not open */
    unsigned opened; /* what sinks->reopened was */
    dev_t device;
    ino_t inode;
    size_t written;             /* of the first entry */
    uint64_t retry_us, said_us; /* monotonic; 0: now, never */
    uint64_t told_missing;
    int failed; /* the errno last said; 0: it goes well */
};

static uint64_t now_us(const struct gw_sink *sink)
{
    struct timespec ts;

    if (sink->sinks->alone)
        return sink->sinks->loop->clock.now_us;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* ── opening ──────────────────────────────────────────────────────────────── */

const char *gw_sink_file_problem(const char *path)
{
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return "it is a folder";
        return access(path, W_OK) == 0 ? NULL : strerror(errno);
    }
    if (errno != ENOENT)
        return strerror(errno);

    const char *slash = strrchr(path, '/');
    char *folder =
        slash ? gw_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : gw_strndup(".", 1);
    const char *problem = access(folder, W_OK | X_OK) == 0 ? NULL : strerror(errno);

    gw_free(folder);
    return problem;
}

void gw_sink_file_open(struct gw_sink *sink)
{
    sink->way.file = gw_alloc_zero(sizeof(*sink->way.file));
    sink->way.file->fd = -1;
}

static void close_file(struct gw_sink_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

void gw_sink_file_free(struct gw_sink *sink)
{
    close_file(sink->way.file);
    gw_free(sink->way.file);
    sink->way.file = NULL;
}

/* O_NONBLOCK is for pipes; a disk does not know it. */
static int open_file(struct gw_sink *sink)
{
    struct gw_sink_file *file = sink->way.file;
    struct stat st;

    file->opened = atomic_load(&sink->sinks->reopened);
    file->fd = GW_FAULT_SYS(
        SINK_OPEN, open(sink->options.path.ptr,
                        O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
    if (file->fd < 0 || fstat(file->fd, &st) != 0)
        return errno;
    file->device = st.st_dev;
    file->inode = st.st_ino;
    return 0;
}

/* The file was renamed or removed, and who wants that to be noticed gets it noticed. */
static bool is_outdated(const struct gw_sink *sink)
{
    const struct gw_sink_file *file = sink->way.file;
    struct stat st;

    if (file->opened != atomic_load(&sink->sinks->reopened))
        return true;
    return sink->options.reopen && (stat(sink->options.path.ptr, &st) != 0 ||
                                    st.st_dev != file->device || st.st_ino != file->inode);
}

/* ── trouble ──────────────────────────────────────────────────────────────── */

static void say_trouble(struct gw_sink *sink, int error, uint64_t now)
{
    struct gw_sink_file *file = sink->way.file;
    uint64_t missing = gw_sink_missing(sink);

    if (!error || (file->said_us && now - file->said_us < SAY_US))
        return;
    gw_warn("sink %s: %s (lines that wait: %u, lost since this was said last: %" PRIu64 ")",
            sink->name, strerror(error), gw_sink_queue_entries(sink->queue),
            missing - file->told_missing);
    file->said_us = now;
    file->told_missing = missing;
    file->failed = error;
}

static void say_well_again(struct gw_sink *sink)
{
    struct gw_sink_file *file = sink->way.file;
    uint64_t missing = gw_sink_missing(sink);

    if (!file->failed)
        return;
    gw_notice("sink %s: takes lines again (lost meanwhile: %" PRIu64 ")", sink->name,
              missing - file->told_missing);
    file->failed = 0;
    file->told_missing = missing;
}

/* A pipe that is full is no failure: it is looked at again very soon. */
static void fail(struct gw_sink *sink, int error)
{
    uint64_t now = now_us(sink);

    if (error == EAGAIN)
        return;
    sink->way.file->retry_us = now + RETRY_US;
    atomic_fetch_add_explicit(&sink->failures, 1, memory_order_relaxed);
    say_trouble(sink, error, now);
}

/* ── writing ──────────────────────────────────────────────────────────────── */

static int gather(const struct gw_sink *sink, struct iovec *parts)
{
    struct gw_sink_entry *entry = sink->oldest;
    size_t skip = sink->way.file->written;
    int count = 0;

    for (unsigned i = 0; i < sink->taken && count < LINES_MAX; i++, entry = entry->next) {
        parts[count++] =
            (struct iovec){ .iov_base = entry->text + skip, .iov_len = entry->len - skip };
        skip = 0;
    }
    return count;
}

static void note_written(struct gw_sink *sink, size_t len)
{
    struct gw_sink_file *file = sink->way.file;

    for (len += file->written; sink->taken && len >= sink->oldest->len;) {
        len -= sink->oldest->len;
        atomic_fetch_add_explicit(&sink->sent, 1, memory_order_relaxed);
        gw_sink_release(sink, 1);
    }
    file->written = len;
}

static bool wait_for_room(const struct gw_sink_file *file)
{
    struct pollfd room = { .fd = file->fd, .events = POLLOUT };

    return poll(&room, 1, LAST_WAIT_MS) > 0;
}

/* False: not now. */
static bool write_some(struct gw_sink *sink, bool last)
{
    struct gw_sink_file *file = sink->way.file;
    struct iovec parts[LINES_MAX];
    ssize_t sent = GW_FAULT_SYS(SINK_WRITE, writev(file->fd, parts, gather(sink, parts)));

    if (sent >= 0) {
        note_written(sink, (size_t)sent);
        say_well_again(sink);
        return true;
    }
    if (errno == EINTR || (errno == EAGAIN && last && wait_for_room(file)))
        return true;
    fail(sink, errno);
    return false;
}

/* A line that was cut goes on where it stopped, also in the file that is opened next: but then its
 * beginning is missing there, so it is written anew. */
static bool make_ready(struct gw_sink *sink, bool last)
{
    struct gw_sink_file *file = sink->way.file;

    if (!last && file->retry_us && now_us(sink) < file->retry_us)
        return false;
    file->retry_us = 0;
    if (file->fd >= 0 && is_outdated(sink)) {
        close_file(file);
        file->written = 0;
    }
    if (file->fd >= 0)
        return true;

    int error = open_file(sink);

    if (!error)
        return true;
    close_file(file);
    fail(sink, error);
    return false;
}

bool gw_sink_file_write(struct gw_sink *sink, bool last)
{
    if (!gw_sink_take(sink, true))
        return false;
    if (make_ready(sink, last))
        while (sink->taken && write_some(sink, last))
            ;
    return true;
}
