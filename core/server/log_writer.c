/* Workers write lines into their rings and never wait. This thread empties them: woken by the first
 * line after a quiet time, then looking every 20 ms until they stay empty, so that a busy worker
 * makes no system call for its log.
 *
 * A sink may stall (a pipe nobody reads, a full disk). Regular files are written as they come;
 * anything else only when poll(2) says that a page fits, so the thread can always be stopped. What
 * finds no room in a ring, or no sink, is counted. */
#include "server/log_writer.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/error_log.h"
#include "sink/sink.h"
#include "telemetry/access_log.h"
#include "telemetry/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define LINES_MAX 64
#define LOOK_MS 20
#define STALL_MS                                                                                   \
    1000 /* how long a stopping process waits for a sink that does not take anything               \
          * \ */
#define PIPE_BYTES 4096 /* what poll(2) promises to fit */

struct sink {
    char *name; /* "stdout", "off" or a path; NULL: nothing yet */
    int fd;     /* -1: off */
    bool owned, regular;
};

struct gw_log_writer {
    struct gw_ring **rings; /* one a worker */
    unsigned ring_count;
    uv_thread_t thread;
    int wake_fd;
    struct gw_sinks *sinks; /* whose files it writes; borrowed */
    atomic_bool stops, reopens, wanted;
    atomic_uint_fast64_t
        lost;         /* what the sink did not take; the rings count what they had no room for */
    struct sink sink; /* the thread's */
    uv_mutex_t lock;  /* for `next` */
    struct sink next; /* taken by the thread; name NULL: nothing new */
    struct sink prepared;
    bool has_failed; /* said so already */
};

/* --- sinks --- */

static bool open_sink(struct sink *sink, struct gw_slice name)
{
    struct stat st;

    *sink = (struct sink){ .name = gw_strndup(name.ptr, name.len), .fd = -1 };
    if (gw_slice_equal(name, GW_SLICE("off")))
        return true;
    if (gw_slice_equal(name, GW_SLICE("stdout"))) {
        sink->fd = STDOUT_FILENO;
    } else {
        sink->fd = open(sink->name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
        sink->owned = true;
    }
    if (sink->fd < 0)
        return false;
    sink->regular = fstat(sink->fd, &st) == 0 && S_ISREG(st.st_mode);
    return true;
}

static void close_sink(struct sink *sink)
{
    if (sink->owned && sink->fd >= 0)
        close(sink->fd);
    gw_free(sink->name);
    *sink = (struct sink){ .fd = -1 };
}

/* --- writing --- */

static void complain_once(struct gw_log_writer *writer, int error)
{
    if (!writer->has_failed)
        gw_error("access log %s: %s: lines are lost until it can be written again",
                 writer->sink.name, strerror(error));
    writer->has_failed = true;
}

/* Waits until a page fits. False: it stalls and we are to stop. */
static bool wait_for_room(struct gw_log_writer *writer)
{
    struct pollfd room = { .fd = writer->sink.fd, .events = POLLOUT };

    while (poll(&room, 1, STALL_MS) == 0)
        if (atomic_load(&writer->stops))
            return false;
    return true;
}

/* How much of the parts may be written at once: all into a file, a page into anything else. */
static int fitting(const struct sink *sink, struct iovec *parts, int count, size_t *cut)
{
    size_t len = 0;

    *cut = 0;
    for (int i = 0; !sink->regular && i < count; i++) {
        len += parts[i].iov_len;
        if (len <= PIPE_BYTES)
            continue;
        if (i > 0)
            return i;
        *cut = parts[0].iov_len - PIPE_BYTES; /* one long line goes in pieces */
        return 1;
    }
    return count;
}

/* Writes the parts, advancing them; returns how many are whole, or -1: the sink fails or stalls. */
static int write_some(struct gw_log_writer *writer, struct iovec *parts, int count)
{
    size_t cut;
    int whole = 0;

    if (!writer->sink.regular && !wait_for_room(writer))
        return -1;
    int fit = fitting(&writer->sink, parts, count, &cut);

    parts[0].iov_len -= cut;
    ssize_t sent = writev(writer->sink.fd, parts, fit);

    parts[0].iov_len += cut;
    if (sent < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (sent < 0) {
        complain_once(writer, errno);
        return -1;
    }
    for (; whole < fit && (size_t)sent >= parts[whole].iov_len; whole++)
        sent -= (ssize_t)parts[whole].iov_len;
    if (whole < count && sent > 0) {
        parts[whole].iov_base = (char *)parts[whole].iov_base + sent;
        parts[whole].iov_len -= (size_t)sent;
    }
    writer->has_failed = false;
    return whole;
}

static void write_lines(struct gw_log_writer *writer, const struct gw_slice *lines, unsigned count)
{
    struct iovec parts[LINES_MAX];
    int done = 0, total = (int)count;

    for (int i = 0; i < total; i++)
        parts[i] = (struct iovec){ .iov_base = (void *)lines[i].ptr, .iov_len = lines[i].len };
    while (writer->sink.fd >= 0 && done < total) {
        int whole = write_some(writer, parts + done, total - done);

        if (whole < 0)
            break;
        done += whole;
    }
    atomic_fetch_add_explicit(&writer->lost, (uint64_t)(total - done), memory_order_relaxed);
}

static bool empty_rings(struct gw_log_writer *writer)
{
    struct gw_slice lines[LINES_MAX];
    bool any = false;
    unsigned count;

    for (unsigned i = 0; i < writer->ring_count; i++) {
        while ((count = gw_ring_peek(writer->rings[i], lines, LINES_MAX)) > 0) {
            write_lines(writer, lines, count);
            gw_ring_consume(writer->rings[i], count);
            any = true;
        }
    }
    return any;
}

/* --- changes of the sink --- */

static void reopen_sink(struct gw_log_writer *writer)
{
    struct sink fresh;

    if (!writer->sink.owned)
        return;
    if (!open_sink(&fresh, gw_slice_from(writer->sink.name))) {
        gw_error("access log %s: cannot be opened again: %s (the old file goes on being used)",
                 writer->sink.name, strerror(errno));
        close_sink(&fresh);
        return;
    }
    close_sink(&writer->sink);
    writer->sink = fresh;
}

static void take_changes(struct gw_log_writer *writer)
{
    uv_mutex_lock(&writer->lock);
    if (writer->next.name) {
        close_sink(&writer->sink);
        writer->sink = writer->next;
        writer->next = (struct sink){ .fd = -1 };
    }
    uv_mutex_unlock(&writer->lock);
    if (atomic_exchange(&writer->reopens, false))
        reopen_sink(writer);
}

/* --- the thread --- */

static void wait_for_wake(struct gw_log_writer *writer)
{
    struct pollfd waiting = { .fd = writer->wake_fd, .events = POLLIN };
    uint64_t count;

    if (poll(&waiting, 1, -1) > 0 && read(writer->wake_fd, &count, sizeof(count)) < 0)
        return; /* nothing to take: then it is awake all the same */
}

static void run_thread(void *arg)
{
    struct gw_log_writer *writer = arg;
    const struct timespec look = { .tv_nsec = LOOK_MS * 1000000 };

    for (;;) {
        bool stops =
            atomic_load(&writer->stops); /* before the rings: what was put before it is written */

        take_changes(writer);
        bool any = empty_rings(writer);

        any |= gw_sinks_write_files(writer->sinks, stops);

        if (stops)
            return;
        if (any)
            nanosleep(&look, NULL); /* not in poll: a wake for each line is what this is to avoid */
        else
            wait_for_wake(writer);
    }
}

static void wake(struct gw_log_writer *writer)
{
    uint64_t one = 1;

    if (write(writer->wake_fd, &one, sizeof(one)) < 0)
        return; /* it is full of wakes */
}

/* --- from outside --- */

void gw_log_writer_access(struct gw_log_writer *writer, unsigned worker,
                          const struct gw_access_record *record)
{
    struct gw_ring *ring = writer->rings[worker];
    char line[GW_ACCESS_LINE_MAX];

    if (!atomic_load_explicit(&writer->wanted, memory_order_relaxed))
        return;
    size_t len = gw_access_log_format(line, record);

    if (gw_ring_put(ring, gw_slice(line, len)) && gw_ring_was_empty(ring))
        wake(writer);
}

bool gw_log_writer_prepare(struct gw_log_writer *writer, const struct gw_config *config, char *why,
                           size_t why_size)
{
    if (writer->prepared.name)
        close_sink(&writer->prepared);
    if (!open_sink(&writer->prepared, config->access_log)) {
        snprintf(why, why_size, "log.access: cannot open %.*s: %s",
                 GW_SLICE_ARG(config->access_log), strerror(errno));
        close_sink(&writer->prepared);
        return false;
    }
    return gw_error_log_prepare(config->error_log, why, why_size);
}

void gw_log_writer_commit(struct gw_log_writer *writer)
{
    atomic_store(&writer->wanted, writer->prepared.fd >= 0);
    uv_mutex_lock(&writer->lock);
    close_sink(&writer->next);
    writer->next = writer->prepared;
    uv_mutex_unlock(&writer->lock);
    writer->prepared = (struct sink){ .fd = -1 };
    gw_error_log_commit();
    wake(writer);
}

void gw_log_writer_reopen(struct gw_log_writer *writer)
{
    atomic_store(&writer->reopens, true);
    wake(writer);
    gw_error_log_reopen();
}

uint64_t gw_log_writer_dropped(const struct gw_log_writer *writer)
{
    uint64_t dropped = atomic_load_explicit(&writer->lost, memory_order_relaxed);

    for (unsigned i = 0; i < writer->ring_count; i++)
        dropped += gw_ring_dropped(writer->rings[i]);
    return dropped;
}

static void wake_for_sinks(void *ctx)
{
    wake(ctx);
}

struct gw_log_writer *gw_log_writer_start(unsigned workers, struct gw_sinks *sinks)
{
    struct gw_log_writer *writer = gw_alloc_zero(sizeof(*writer));

    writer->ring_count = workers;
    writer->sinks = sinks;
    writer->rings = gw_alloc_zero(workers * sizeof(writer->rings[0]));
    for (unsigned i = 0; i < workers; i++)
        writer->rings[i] = gw_ring_new(GW_RING_DEFAULT_SIZE);
    writer->sink.fd = writer->next.fd = writer->prepared.fd = -1;
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uv_mutex_init(&writer->lock);
    gw_sinks_attach_writer(sinks, wake_for_sinks, writer);
    int error = uv_thread_create(&writer->thread, run_thread, writer);

    GW_ASSERT(error == 0 && writer->wake_fd >= 0);
    return writer;
}

void gw_log_writer_stop(struct gw_log_writer *writer)
{
    atomic_store(&writer->stops, true);
    wake(writer);
    uv_thread_join(&writer->thread);
    gw_sinks_attach_writer(writer->sinks, NULL, NULL);
    close_sink(&writer->sink);
    close_sink(&writer->next);
    close_sink(&writer->prepared);
    close(writer->wake_fd);
    uv_mutex_destroy(&writer->lock);
    for (unsigned i = 0; i < writer->ring_count; i++)
        gw_ring_free(writer->rings[i]);
    gw_free(writer->rings);
    gw_free(writer);
}
