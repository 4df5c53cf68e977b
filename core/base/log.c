#include "base/log.h"

#include "base/alloc.h"
#include "base/check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192
#define FATAL_FLUSH_MS 1000

static const char *const names[] = { "debug", "info", "notice", "warn", "error" };
static atomic_int threshold = GW_LOG_NOTICE;
static gw_log_sink current_sink;
static void *sink_ctx;
static void (*_Atomic current_flush)(unsigned ms);

void gw_log_set_sink(gw_log_sink sink, void *ctx)
{
    current_sink = sink;
    sink_ctx = ctx;
}

void gw_log_set_flush(void (*flush)(unsigned ms))
{
    atomic_store(&current_flush, flush);
}

void gw_log_flush(unsigned ms)
{
    void (*flush)(unsigned) = atomic_load(&current_flush);

    if (flush)
        flush(ms);
}

void gw_log_set_level(enum gw_log_level level)
{
    atomic_store_explicit(&threshold, (int)level, memory_order_relaxed);
}

enum gw_log_level gw_log_level(void)
{
    return (enum gw_log_level)atomic_load_explicit(&threshold, memory_order_relaxed);
}

int gw_log_level_parse(const char *name)
{
    for (size_t i = 0; i < GW_ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (int)i;
    if (strcmp(name, "warning") == 0)
        return GW_LOG_WARN;
    if (strcmp(name, "err") == 0)
        return GW_LOG_ERROR;
    return -1;
}

const char *gw_log_level_name(enum gw_log_level level)
{
    GW_ASSERT((size_t)level < GW_ARRAY_LEN(names));
    return names[level];
}

/* Tabs and UTF-8 stay; other control bytes become \xNN. */
static size_t escape(char *out, size_t size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = 0;

    for (const unsigned char *c = (const unsigned char *)text; *c && len + 5 < size; c++) {
        if ((*c >= 0x20 && *c != 0x7f) || *c == '\t') {
            out[len++] = (char)*c;
            continue;
        }
        out[len++] = '\\';
        out[len++] = 'x';
        out[len++] = hex[*c >> 4];
        out[len++] = hex[*c & 15];
    }
    out[len] = '\0';
    return len;
}

static void write_stderr(enum gw_log_level level, const char *line)
{
    char out[LINE_MAX_BYTES + 64];
    struct timespec ts;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    int len = snprintf(out, sizeof(out), "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s\n",
                       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
                       tm.tm_sec, ts.tv_nsec / 1000000, gw_log_level_name(level), line);

    if (len > 0 && write(STDERR_FILENO, out, (size_t)len) < 0)
        return; /* nobody is left to tell */
}

static void write_args(enum gw_log_level level, const char *format, va_list args)
{
    char text[LINE_MAX_BYTES / 4];
    char line[LINE_MAX_BYTES];

    if (vsnprintf(text, sizeof(text), format, args) < 0)
        return;
    escape(line, sizeof(line), text);
    if (current_sink)
        current_sink(level, line, sink_ctx);
    else
        write_stderr(level, line);
}

void gw_log_write(enum gw_log_level level, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_args(level, format, args);
    va_end(args);
}

_Noreturn void gw_fatal(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    write_args(GW_LOG_ERROR, format, args);
    va_end(args);
    gw_log_flush(FATAL_FLUSH_MS);
    _exit(1);
}
