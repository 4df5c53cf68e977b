#pragma once
/* The error log: what operators read. One line a message, from any thread; never on the way of a
 * plain request. */
#ifndef GW_CDEF
#include <stdarg.h>
#endif

enum gw_log_level {
    GW_LOG_DEBUG,
    GW_LOG_INFO,
    GW_LOG_NOTICE,
    GW_LOG_WARN,
    GW_LOG_ERROR,
};

#ifndef GW_CDEF

/* Where lines go. Gets one whole line without its end; may be called from every thread. */
typedef void (*gw_log_sink)(enum gw_log_level level, const char *line, void *ctx);

/* NULL: standard error (the default). Set it before threads start. */
void gw_log_set_sink(gw_log_sink sink, void *ctx);

/* Waits until what was logged so far is written, at most so long: before the process ends without
 * its usual way. Does nothing without a sink that writes later. */
void gw_log_flush(unsigned ms);

/* What the sink does for that; NULL: nothing. */
void gw_log_set_flush(void (*flush)(unsigned ms));

void gw_log_set_level(enum gw_log_level level);
enum gw_log_level gw_log_level(void);

/* From "debug", "info", "notice", "warn" (or "warning"), "error" (or "err"); -1 for anything
 * else. */
int gw_log_level_parse(const char *name);
const char *gw_log_level_name(enum gw_log_level level);

/* Control bytes of the text are escaped, so that nobody outside can forge a line. */
void gw_log_write(enum gw_log_level level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes an error line and ends the process with exit code 1, as it stands: for what a start
 * cannot do without. */
_Noreturn void gw_fatal(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The arguments are not evaluated when the level is off. */
#define gw_log(level, ...)                                                                         \
    do {                                                                                           \
        if ((level) >= gw_log_level())                                                             \
            gw_log_write(level, __VA_ARGS__);                                                      \
    } while (0)

#define gw_debug(...) gw_log(GW_LOG_DEBUG, __VA_ARGS__)
#define gw_info(...) gw_log(GW_LOG_INFO, __VA_ARGS__)
#define gw_notice(...) gw_log(GW_LOG_NOTICE, __VA_ARGS__)
#define gw_warn(...) gw_log(GW_LOG_WARN, __VA_ARGS__)
#define gw_error(...) gw_log(GW_LOG_ERROR, __VA_ARGS__)

#endif
