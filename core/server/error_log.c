#include "server/error_log.h"

#include "base/alloc.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* The one descriptor that threads write to. A file replaces another through dup3(), which is
 * atomic: nobody ever writes to a closed one. */
static atomic_int current = STDERR_FILENO;
static int file_fd = -1; /* ours; what `current` is while a file is used */
static int prepared_fd = -1;
static char *prepared_name, *name; /* NULL: standard error */

/* How standard error is written to, where people look at it. */
static bool is_terminal, has_colours;

static const char *colour_of(enum gw_log_level level)
{
    return level >= GW_LOG_ERROR ? "\033[31m" : level == GW_LOG_WARN ? "\033[33m" : "";
}

/* For a log: the whole date in UTC and the level. */
static int format_line(char *out, size_t out_size, enum gw_log_level level, const char *line)
{
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    return snprintf(out, out_size, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s\n",
                    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
                    ts.tv_nsec / 1000000, gw_log_level_name(level), line);
}

/* For who sits before it: the local time, and the level only where something is wrong. */
static int format_for_terminal(char *out, size_t out_size, enum gw_log_level level,
                               const char *line)
{
    time_t now = time(NULL);
    struct tm tm;
    bool is_plain = level == GW_LOG_NOTICE || level == GW_LOG_INFO;
    const char *dim = has_colours ? "\033[2m" : "", *end = has_colours ? "\033[0m" : "";
    const char *colour = has_colours ? colour_of(level) : "";

    localtime_r(&now, &tm);
    return snprintf(out, out_size, "%s%02d:%02d:%02d%s %s%s%s%s%s\n", dim, tm.tm_hour, tm.tm_min,
                    tm.tm_sec, end, colour, is_plain ? "" : gw_log_level_name(level),
                    *colour ? end : "", is_plain ? "" : " ", line);
}

static void write_line(enum gw_log_level level, const char *line, void *ctx)
{
    char out[8192 + 64];
    int fd = atomic_load(&current);
    int len = is_terminal && fd == STDERR_FILENO
                  ? format_for_terminal(out, sizeof(out), level, line)
                  : format_line(out, sizeof(out), level, line);

    (void)ctx;
    if (len >= (int)sizeof(out))
        len = sizeof(out) - 1;
    if (len > 0 && write(fd, out, (size_t)len) < 0)
        return; /* nobody is left to tell */
}

void gw_error_log_install(void)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");

    is_terminal = isatty(STDERR_FILENO) == 1;
    has_colours = is_terminal && (!no_color || !*no_color) && term && strcmp(term, "dumb") != 0;
    gw_log_set_sink(write_line, NULL);
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
}

static void drop_prepared(void)
{
    if (prepared_fd >= 0)
        close(prepared_fd);
    prepared_fd = -1;
    gw_free(prepared_name);
    prepared_name = NULL;
}

bool gw_error_log_prepare(struct gw_slice wanted, char *why, size_t why_size)
{
    drop_prepared();
    if (gw_slice_equal(wanted, GW_SLICE("stderr")) || wanted.len == 0)
        return true;
    prepared_name = gw_strndup(wanted.ptr, wanted.len);
    prepared_fd = open_file(prepared_name);
    if (prepared_fd >= 0)
        return true;
    snprintf(why, why_size, "log.error: cannot open %s: %s", prepared_name, strerror(errno));
    drop_prepared();
    return false;
}

static void use(int fd)
{
    if (file_fd < 0)
        file_fd = fd;
    else if (dup3(fd, file_fd, O_CLOEXEC) >= 0)
        close(fd);
    atomic_store(&current, file_fd);
}

void gw_error_log_commit(void)
{
    gw_free(name);
    name = prepared_name;
    prepared_name = NULL;
    if (name)
        use(prepared_fd);
    else
        atomic_store(&current,
                     STDERR_FILENO); /* the file stays open: somebody may be writing to it */
    prepared_fd = -1;
}

int gw_error_log_fd(void)
{
    return atomic_load(&current);
}

void gw_error_log_reopen(void)
{
    int fd = name ? open_file(name) : -1;

    if (fd >= 0)
        use(fd);
    else if (name)
        gw_error("log.error: cannot open %s again: %s", name, strerror(errno));
}

void gw_error_log_close(void)
{
    atomic_store(&current, STDERR_FILENO);
    drop_prepared();
    if (file_fd >= 0)
        close(file_fd);
    file_fd = -1;
    gw_free(name);
    name = NULL;
}
