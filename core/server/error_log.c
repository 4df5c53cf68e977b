/* A line waits in the queue as it was said: level, time, text. How it looks is decided when it is
 * written, because a reload may have changed the place meanwhile. Equal lines that come fast are
 * counted instead of written (server/repeats.h). */
#include "server/error_log.h"

#include "base/log.h"
#include "server/log_place.h"
#include "server/repeats.h"
#include "sink/queue.h"

#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LINES_MAX 4096
#define BYTES_MAX (2u * 1024 * 1024)
#define LINE_MAX_BYTES (8192 + 128)
#define DIRECT_WAIT_MS 1000 /* for a reader, when there is no log writer */
#define FLUSH_LOOK_MS 2

static struct gw_log_place place = GW_LOG_PLACE("log.error");
static pthread_mutex_t direct_lock = PTHREAD_MUTEX_INITIALIZER; /* `place`, without a log writer */

/* What waits for the log writer. */
static struct gw_sink_queue *queue;
static atomic_bool attached;
static void (*wake_writer)(void *ctx);
static void *wake_ctx;
static atomic_uint_fast64_t lost; /* what no queue counts */
static atomic_int file_fd = -1;   /* of `place`, when it is a file */

/* The log writer's. */
static struct gw_sink_entry *oldest;
static struct gw_repeats repeats;
static uint64_t told_dropped;

/* How standard error is written to, where people look at it. */
static bool is_terminal, has_colours;

/* --- how a line looks --- */

struct said {
    enum gw_log_level level;
    int64_t wall_us;
    const char *text;
    int len;
};

static const char *colour_of(enum gw_log_level level)
{
    return level >= GW_LOG_ERROR ? "\033[31m" : level == GW_LOG_WARN ? "\033[33m" : "";
}

/* For a log: the whole date in UTC and the level. */
static int format_line(char *out, size_t out_size, const struct said *said)
{
    time_t seconds = (time_t)(said->wall_us / 1000000);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return snprintf(out, out_size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %.*s\n",
                    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    (int)(said->wall_us / 1000 % 1000), gw_log_level_name(said->level), said->len,
                    said->text);
}

/* For who sits before it: the local time, and the level only where something is wrong. */
static int format_for_terminal(char *out, size_t out_size, const struct said *said)
{
    time_t seconds = (time_t)(said->wall_us / 1000000);
    struct tm tm;
    bool is_plain = said->level == GW_LOG_NOTICE || said->level == GW_LOG_INFO;
    const char *dim = has_colours ? "\033[2m" : "", *end = has_colours ? "\033[0m" : "";
    const char *colour = has_colours ? colour_of(said->level) : "";

    localtime_r(&seconds, &tm);
    return snprintf(out, out_size, "%s%02d:%02d:%02d%s %s%s%s%s%.*s\n", dim, tm.tm_hour, tm.tm_min,
                    tm.tm_sec, end, colour, is_plain ? "" : gw_log_level_name(said->level),
                    *colour ? end : "", is_plain ? "" : " ", said->len, said->text);
}

static uint64_t monotonic_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int64_t wall_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* False: no room now. */
static bool write_said(const struct said *said)
{
    char out[LINE_MAX_BYTES];
    int len = is_terminal && place.now.fd >= 0 && gw_log_place_is(&place, "stderr")
                  ? format_for_terminal(out, sizeof(out), said)
                  : format_line(out, sizeof(out), said);
    struct gw_slice line = gw_slice(out, (size_t)len);

    if (len >= (int)sizeof(out)) {
        line.len = sizeof(out) - 1;
        out[line.len - 1] = '\n';
    }
    return len < 0 || gw_outlet_write(&place.now, &line, 1, monotonic_us()) == 1;
}

static bool take_changes(int *error)
{
    bool changed = gw_log_place_take_changes(&place, error);

    if (changed)
        atomic_store(&file_fd, gw_log_place_is(&place, "stderr") ? -1 : place.now.fd);
    return changed;
}

/* --- without a log writer --- */

static void write_direct(enum gw_log_level level, const char *text)
{
    struct said said = { level, wall_us(), text, (int)strlen(text) };
    int error;
    bool written, stalls;

    pthread_mutex_lock(&direct_lock);
    take_changes(&error); /* an old file is better than to say so in it */
    stalls = place.now.state == GW_OUTLET_STALLED;
    written = write_said(&said) && gw_outlet_finish(&place.now, monotonic_us());
    if (!written && place.now.state == GW_OUTLET_STALLED) {
        struct pollfd room = { .fd = place.now.fd, .events = POLLOUT };

        if (poll(&room, 1, stalls ? 0 : DIRECT_WAIT_MS) > 0)
            written =
                place.now.cut ? gw_outlet_finish(&place.now, monotonic_us()) : write_said(&said);
    }
    if (!written)
        atomic_fetch_add(&lost, 1);
    pthread_mutex_unlock(&direct_lock);
}

/* --- whoever logs --- */

/* In the queue a line is: its level, the time in sixteen digits, the text. */
#define STAMP_BYTES 17

static void put(enum gw_log_level level, const char *text)
{
    char line[LINE_MAX_BYTES];
    int len =
        snprintf(line, sizeof(line), "%d%016" PRIx64 "%s", (int)level, (uint64_t)wall_us(), text);

    if (len >= (int)sizeof(line))
        len = sizeof(line) - 1;
    if (len > 0 && gw_sink_queue_put(queue, gw_slice(line, (size_t)len), false) == GW_SINK_PUT_WAKE)
        wake_writer(wake_ctx);
}

static void say(enum gw_log_level level, const char *text, void *ctx)
{
    (void)ctx;
    if (atomic_load_explicit(&attached, memory_order_acquire))
        put(level, text);
    else
        write_direct(level, text);
}

/* The process is about to end without its usual way. */
static void flush(unsigned ms)
{
    const struct timespec look = { .tv_nsec = FLUSH_LOOK_MS * 1000000 };

    if (!atomic_load(&attached))
        return;
    wake_writer(wake_ctx);
    for (unsigned waited = 0; waited < ms && gw_sink_queue_entries(queue) > 0;
         waited += FLUSH_LOOK_MS)
        nanosleep(&look, NULL);
}

/* --- the log writer's --- */

static struct said read_entry(const struct gw_sink_entry *entry)
{
    struct said said = { .text = entry->text + STAMP_BYTES,
                         .len = (int)(entry->len - STAMP_BYTES) };

    said.level = (enum gw_log_level)(entry->text[0] - '0');
    for (int i = 1; i < STAMP_BYTES; i++) {
        char digit = entry->text[i];

        said.wall_us = said.wall_us * 16 + (digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    return said;
}

static bool say_repeats(uint64_t count)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "(the line before repeated %" PRIu64 " times)", count);
    struct said said = { (enum gw_log_level)repeats.level, wall_us(), text, len };

    return count == 0 || write_said(&said);
}

static bool say_dropped(void)
{
    uint64_t dropped = gw_sink_queue_dropped(queue);
    char text[96];
    int len = snprintf(text, sizeof(text),
                       "log.error: %" PRIu64 " lines were lost here, for want of room",
                       dropped - told_dropped);
    struct said said = { GW_LOG_WARN, wall_us(), text, len };

    if (dropped == told_dropped)
        return true;
    if (!write_said(&said))
        return false;
    told_dropped = dropped;
    return true;
}

static bool write_entry(const struct gw_sink_entry *entry)
{
    struct said said = read_entry(entry);
    struct gw_slice text = gw_slice(said.text, (size_t)said.len);
    uint64_t now = monotonic_us();

    if (gw_repeats_swallow(&repeats, said.level, text, now))
        return true;
    if (!say_repeats(gw_repeats_pending(&repeats)))
        return false;
    gw_repeats_told(&repeats);
    if (!write_said(&said))
        return false;
    gw_repeats_written(&repeats, said.level, text, now);
    return true;
}

/* False: no room for all. */
static bool write_entries(void)
{
    while (oldest || (oldest = gw_sink_queue_take(queue, true))) {
        struct gw_sink_entry *entry = oldest;

        if (!write_entry(entry))
            return false;
        oldest = entry->next;
        gw_sink_queue_release(queue, entry);
    }
    return say_dropped();
}

static bool say_all_repeats(bool last)
{
    uint64_t pending = gw_repeats_pending(&repeats);

    if (pending == 0)
        return true;
    if ((!last && !gw_repeats_due(&repeats, monotonic_us())) || !say_repeats(pending))
        return false;
    gw_repeats_told(&repeats);
    return true;
}

bool gw_error_log_write(bool last, const struct gw_outlet **outlet)
{
    int error;
    bool waits = oldest || gw_sink_queue_entries(queue) > 0 || place.now.cut != NULL;

    waits |= !write_entries();
    waits |= !say_all_repeats(last);
    waits |= !gw_outlet_finish(&place.now, monotonic_us());
    *outlet = place.now.state != GW_OUTLET_GOOD && waits ? &place.now : NULL;
    waits |= take_changes(&error);
    if (error)
        gw_error("log.error: cannot open %s again: %s (the old file goes on being used)",
                 place.now.name, strerror(error));
    return waits;
}

void gw_error_log_attach(void (*wake)(void *ctx), void *ctx)
{
    queue = gw_sink_queue_new(LINES_MAX, BYTES_MAX, 0);
    told_dropped = 0;
    wake_writer = wake;
    wake_ctx = ctx;
    gw_log_set_flush(flush);
    atomic_store_explicit(&attached, true, memory_order_release);
}

void gw_error_log_detach(void)
{
    atomic_store(&attached, false);
    gw_log_set_flush(NULL);
    while (oldest) {
        struct gw_sink_entry *entry = oldest;

        oldest = entry->next;
        gw_sink_queue_release(queue, entry);
    }
    gw_sink_queue_free(queue);
    queue = NULL;
    gw_repeats_deinit(&repeats);
}

void gw_error_log_abandon(const char *text)
{
    struct pollfd room = { .fd = STDERR_FILENO, .events = POLLOUT };
    struct said said = { GW_LOG_ERROR, wall_us(), text, (int)strlen(text) };
    char line[LINE_MAX_BYTES];
    int len = format_line(line, sizeof(line), &said);

    if (poll(&room, 1, 0) > 0 && write(STDERR_FILENO, line, (size_t)len) < 0)
        return; /* nobody is left to tell */
}

uint64_t gw_error_log_dropped(void)
{
    uint64_t dropped = atomic_load(&lost);

    return atomic_load(&attached) ? dropped + gw_sink_queue_dropped(queue) : dropped;
}

/* --- from outside --- */

void gw_error_log_install(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    is_terminal = isatty(STDERR_FILENO) == 1;
    has_colours = is_terminal && (!no_color || !*no_color) && term && strcmp(term, "dumb") != 0;
    gw_error_log_close();
    gw_log_set_sink(say, NULL);
}

bool gw_error_log_prepare(struct gw_slice wanted, char *why, size_t why_size)
{
    return gw_log_place_prepare(&place, wanted.len ? wanted : GW_SLICE("stderr"), why, why_size);
}

void gw_error_log_commit(void)
{
    gw_log_place_commit(&place);
    if (atomic_load(&attached))
        wake_writer(wake_ctx);
}

int gw_error_log_fd(void)
{
    return atomic_load(&file_fd);
}

void gw_error_log_reopen(void)
{
    gw_log_place_reopen(&place);
    if (atomic_load(&attached))
        wake_writer(wake_ctx);
}

void gw_error_log_close(void)
{
    gw_log_place_close(&place);
    atomic_store(&file_fd, -1);
    gw_outlet_open(&place.now, GW_SLICE("stderr"));
}
