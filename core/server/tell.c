#include "server/tell.h"

#include "base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 4096

/* Files below the folder the gateway was started in are called as people there call them. */
static void shorten(const char *text, char *out, size_t out_size)
{
    char here[PATH_MAX];
    size_t here_len = getcwd(here, sizeof(here)) ? strlen(here) : 0;
    size_t used = 0;

    for (const char *at = text; *at && used + 1 < out_size; at++) {
        if (here_len > 1 && strncmp(at, here, here_len) == 0 && at[here_len] == '/') {
            at += here_len; /* and the slash */
            continue;
        }
        out[used++] = *at;
    }
    out[used] = '\0';
}

static void tell_failure(const struct gw_reload_result *result, const char *why)
{
    char line[LINE_MAX_BYTES];

    if (result->error_count == 1) {
        shorten(result->errors[0], line, sizeof(line));
        gw_error("not reloaded, generation %" PRIu64 " keeps serving: %s: %s", result->generation,
                 why, line);
        return;
    }
    for (unsigned i = 0; i < result->error_count; i++) {
        shorten(result->errors[i], line, sizeof(line));
        gw_error("%s", line);
    }
    gw_error("not reloaded, generation %" PRIu64 " keeps serving: %s: %u errors",
             result->generation, why, result->error_count);
}

void gw_tell_reload(const struct gw_reload_result *result, const char *why, const char *config_path)
{
    char reason[PATH_MAX + 64];

    shorten(strncmp(why, "./", 2) == 0 ? why + 2 : why, reason, sizeof(reason));
    if (result->ok && result->generation > 1)
        gw_notice("generation %" PRIu64 " serves after %.1f ms: %s", result->generation,
                  (double)result->took_us / 1000, reason);
    if (result->ok)
        return;
    if (result->generation) {
        tell_failure(result, reason);
        return;
    }
    for (unsigned i = 0; i < result->error_count; i++) /* a start: the command line's form */
        fprintf(stderr, "%s\n", result->errors[i]);
    fprintf(stderr, "moongate: %s: cannot start: %u error%s\n", config_path, result->error_count,
            result->error_count == 1 ? "" : "s");
}
