/* Workers write lines into their rings and never wait. This thread empties them: woken by the first
 * line after a quiet time, then looking every 20 ms until they stay empty, so that a busy worker
 * makes no system call for its log. The error log's queue and the files of log plugins go the same
 * way.
 *
 * Nothing here waits for a reader either (telemetry/outlet.h), so one log that stalls holds up no
 * other. Its lines wait in the rings; what finds no room there is dropped and counted. */
#include "server/log_writer.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "server/error_log.h"
#include "server/log_place.h"
#include "sink/sink.h"
#include "telemetry/access_log.h"
#include "telemetry/ring.h"

#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#define LINES_MAX 64
#define LOOK_MS 20
#define SAY_US 60000000u  /* how often trouble with the access log is said */
#define QUIET_US 1000000u /* without a lost line, before it is said to be over */
#define STALL_US 1000000u /* a process that ends waits so long for a reader that takes nothing … */
#define LAST_US 5000000u  /* … and so long for one that takes something */
#define JOIN_US (LAST_US + 2000000u)

struct gw_log_writer {
    struct gw_ring **rings; /* one a worker */
    unsigned ring_count;
    uv_thread_t thread;
    int wake_fd;
    struct gw_sinks *sinks; /* whose files it writes; borrowed */
    atomic_bool stops, wanted;
    atomic_uint_fast64_t lost; /* what the end left; the rings count what they had no room for */
    struct gw_log_place access;
    uint64_t said_us, bad_us; /* trouble with the access log: when it was said (0: there is none)
                                 and seen last */
    uint64_t seen_dropped, told_dropped;
    bool was_failure;
    uv_mutex_t lock; /* for `ended` */
    uv_cond_t has_ended;
    bool ended;
};

static uint64_t now_us(void)
{
    return uv_hrtime() / 1000;
}

/* --- the access log --- */

static bool take_changes(struct gw_log_writer *writer)
{
    int error;
    bool changed = gw_log_place_take_changes(&writer->access, &error);

    if (error)
        gw_error("log.access: cannot open %s again: %s (the old file goes on being used)",
                 writer->access.now.name, strerror(error));
    return changed;
}

/* True when all is written. A line that is there was put before or after a change: what belongs to
 * the new place never goes to the old one, because the change is looked for behind the lines. */
static bool write_ring(struct gw_log_writer *writer, struct gw_ring *ring, bool *any)
{
    struct gw_slice lines[LINES_MAX];
    unsigned count;

    while ((count = gw_ring_peek(ring, lines, LINES_MAX)) > 0) {
        take_changes(writer);
        unsigned taken = gw_outlet_write(&writer->access.now, lines, count, now_us());

        gw_ring_consume(ring, taken);
        *any = true;
        if (taken < count)
            return false;
    }
    return true;
}

/* True when there was something, or still is. */
static bool write_access(struct gw_log_writer *writer)
{
    bool any = !gw_outlet_finish(&writer->access.now, now_us());

    for (unsigned i = 0; i < writer->ring_count; i++)
        if (!write_ring(writer, writer->rings[i], &any))
            break;
    return any;
}

static void say_trouble(struct gw_log_writer *writer, uint64_t dropped)
{
    const struct gw_outlet *outlet = &writer->access.now;
    const char *why =
        outlet->state == GW_OUTLET_FAILED ? strerror(outlet->error) : "its reader does not keep up";

    gw_error("access log %s: %s (lines lost since this was said last: %" PRIu64 ")", outlet->name,
             why, dropped - writer->told_dropped);
    writer->said_us = now_us();
    writer->told_dropped = dropped;
}

/* Says when lines are lost or cannot be written, once a minute, and when it is over. */
static void watch_access(struct gw_log_writer *writer)
{
    uint64_t dropped = gw_log_writer_dropped(writer), now = now_us();
    bool fails = writer->access.now.state == GW_OUTLET_FAILED;

    if (fails || dropped > writer->seen_dropped) {
        writer->bad_us = now;
        writer->was_failure = fails;
        writer->seen_dropped = dropped;
        if (!writer->said_us || now - writer->said_us >= SAY_US)
            say_trouble(writer, dropped);
    }
    if (!writer->said_us || writer->access.now.state != GW_OUTLET_GOOD ||
        (!writer->was_failure && now - writer->bad_us < QUIET_US))
        return;
    gw_notice("access log %s: takes lines again (lost meanwhile: %" PRIu64 ")",
              writer->access.now.name, dropped - writer->told_dropped);
    writer->said_us = 0;
    writer->told_dropped = dropped;
}

/* --- the thread --- */

static void wait_for_wake(struct gw_log_writer *writer)
{
    struct pollfd waiting = { .fd = writer->wake_fd, .events = POLLIN };
    uint64_t count;

    if (poll(&waiting, 1, -1) > 0 && read(writer->wake_fd, &count, sizeof(count)) < 0)
        return; /* nothing to take: then it is awake all the same */
}

static bool is_stalled(const struct gw_outlet *outlet)
{
    return outlet && outlet->state == GW_OUTLET_STALLED;
}

/* A while, or until a reader made room. */
static void wait_a_while(const struct gw_outlet *access, const struct gw_outlet *errors)
{
    const struct timespec look = { .tv_nsec = LOOK_MS * 1000000 };
    struct pollfd rooms[] = {
        { .fd = is_stalled(access) ? access->fd : -1, .events = POLLOUT },
        { .fd = is_stalled(errors) ? errors->fd : -1, .events = POLLOUT },
    };

    if (is_stalled(access) || is_stalled(errors))
        poll(rooms, GW_ARRAY_LEN(rooms), LOOK_MS);
    else
        nanosleep(&look, NULL); /* not in poll: a wake for each line is what this is to avoid */
}

/* One look at both logs. True when there was something, or still is. */
static bool look(struct gw_log_writer *writer, bool last, const struct gw_outlet **errors)
{
    bool any = write_access(writer);

    watch_access(writer);
    any |= !last && writer->said_us; /* until it can be said to be over */
    any |= take_changes(writer);
    return gw_error_log_write(last, errors) || any;
}

/* What no reader took in all this time is lost. */
static void give_up(struct gw_log_writer *writer)
{
    struct gw_slice lines[LINES_MAX];
    const struct gw_outlet *errors;
    uint64_t lost = writer->access.now.cut ? 1 : 0;
    unsigned count;

    for (unsigned i = 0; i < writer->ring_count; i++) {
        while ((count = gw_ring_peek(writer->rings[i], lines, LINES_MAX)) > 0) {
            gw_ring_consume(writer->rings[i], count);
            lost += count;
        }
    }
    if (!lost)
        return;
    atomic_fetch_add_explicit(&writer->lost, lost, memory_order_relaxed);
    gw_error("access log %s: %" PRIu64 " lines could not be written before the end",
             writer->access.now.name, lost);
    gw_error_log_write(true, &errors);
}

/* Everything was put; whoever reads it gets a while to take it. */
static void write_the_rest(struct gw_log_writer *writer)
{
    const struct gw_outlet *access = &writer->access.now, *errors;
    uint64_t began = now_us(), moved = began;

    gw_sinks_write_files(writer->sinks, true);
    while (look(writer, true, &errors)) {
        uint64_t now = now_us();

        if (access->state == GW_OUTLET_GOOD && !errors)
            moved = now;
        if (now - moved >= STALL_US || now - began >= LAST_US)
            break;
        wait_a_while(access, errors);
    }
    give_up(writer);
}

static void run_thread(void *arg)
{
    struct gw_log_writer *writer = arg;
    const struct gw_outlet *errors;

    while (!atomic_load(&writer->stops)) {
        bool any = look(writer, false, &errors);

        any |= gw_sinks_write_files(writer->sinks, false);
        if (any)
            wait_a_while(&writer->access.now, errors);
        else
            wait_for_wake(writer);
    }
    write_the_rest(writer);
    uv_mutex_lock(&writer->lock);
    writer->ended = true;
    uv_cond_signal(&writer->has_ended);
    uv_mutex_unlock(&writer->lock);
}

static void wake(struct gw_log_writer *writer)
{
    uint64_t one = 1;

    if (write(writer->wake_fd, &one, sizeof(one)) < 0)
        return; /* it is full of wakes */
}

static void on_wake(void *ctx)
{
    wake(ctx);
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
    return gw_log_place_prepare(&writer->access, config->access_log, why, why_size) &&
           gw_error_log_prepare(config->error_log, why, why_size);
}

void gw_log_writer_commit(struct gw_log_writer *writer)
{
    atomic_store(&writer->wanted, writer->access.prepared.fd >= 0);
    gw_log_place_commit(&writer->access);
    gw_error_log_commit();
    wake(writer);
}

void gw_log_writer_reopen(struct gw_log_writer *writer)
{
    gw_log_place_reopen(&writer->access);
    gw_error_log_reopen();
    wake(writer);
}

uint64_t gw_log_writer_dropped(const struct gw_log_writer *writer)
{
    uint64_t dropped = atomic_load_explicit(&writer->lost, memory_order_relaxed);

    for (unsigned i = 0; i < writer->ring_count; i++)
        dropped += gw_ring_dropped(writer->rings[i]);
    return dropped;
}

struct gw_log_writer *gw_log_writer_start(unsigned workers, struct gw_sinks *sinks)
{
    struct gw_log_writer *writer = gw_alloc_zero(sizeof(*writer));

    *writer = (struct gw_log_writer){
        .ring_count = workers,
        .sinks = sinks,
        .access = GW_LOG_PLACE("log.access"),
        .wake_fd = GW_FAULT_SYS(LOG_WAKE, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
    };
    writer->rings = gw_alloc_zero(workers * sizeof(writer->rings[0]));
    for (unsigned i = 0; i < workers; i++)
        writer->rings[i] = gw_ring_new(GW_RING_DEFAULT_SIZE);
    uv_mutex_init(&writer->lock);
    uv_cond_init(&writer->has_ended);
    gw_sinks_attach_writer(sinks, on_wake, writer);
    gw_error_log_attach(on_wake, writer);
    int error = writer->wake_fd < 0
                    ? UV_EMFILE
                    : GW_FAULT_UV(THREAD, uv_thread_create(&writer->thread, run_thread, writer));

    if (error) {
        gw_error_log_detach(); /* so that this is written at once */
        gw_fatal("the log writer does not start: %s", uv_strerror(error));
    }
    return writer;
}

/* False: the thread hangs in a write that never returns (a dead network disk). */
static bool wait_for_end(struct gw_log_writer *writer)
{
    uint64_t until = now_us() + JOIN_US;

    uv_mutex_lock(&writer->lock);
    while (!writer->ended && now_us() < until)
        uv_cond_timedwait(&writer->has_ended, &writer->lock, (until - now_us()) * 1000);
    bool ended = writer->ended;

    uv_mutex_unlock(&writer->lock);
    return ended;
}

bool gw_log_writer_stop(struct gw_log_writer *writer)
{
    atomic_store(&writer->stops, true);
    wake(writer);
    if (!wait_for_end(writer))
        return false;
    uv_thread_join(&writer->thread);
    gw_sinks_attach_writer(writer->sinks, NULL, NULL);
    gw_error_log_detach();
    gw_log_place_close(&writer->access);
    close(writer->wake_fd);
    uv_cond_destroy(&writer->has_ended);
    uv_mutex_destroy(&writer->lock);
    for (unsigned i = 0; i < writer->ring_count; i++)
        gw_ring_free(writer->rings[i]);
    gw_free(writer->rings);
    gw_free(writer);
    return true;
}
