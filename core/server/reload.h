#pragma once
/* From one generation to the next: load and prepare on the loader thread, then commit to every
 * worker; what fails on the way leaves everything as it was. Generation 1 is made the same way.
 * Everything here happens on control's loop. */
#include "net/loop.h"
#include "server/generation.h"

struct gw_server;
struct gw_reloader;

/* How a reload went. */
struct gw_reload_result {
    bool ok;
    uint64_t generation; /* that serves now; 0: none yet */
    uint64_t took_us;    /* of loading and preparing */
    int64_t at_us;       /* wall time; 0: there was none yet */
    char **errors;       /* lines for people; borrowed until the next reload ends */
    unsigned error_count;
};

/* Who waits for a reload; in the caller's struct, zero-initialised. */
struct gw_reload_waiter {
    struct gw_list_node node;
    void (*done)(struct gw_reload_waiter *waiter, const struct gw_reload_result *result);
};

struct gw_reloader *gw_reloader_new(struct gw_server *server);

/* Asks for a new generation; `why` goes to the log ("SIGHUP"). The waiter (may be NULL) hears once,
 * never before this returned. While one is under way, all who ask share the next. */
void gw_reloader_ask(struct gw_reloader *reloader, const char *why,
                     struct gw_reload_waiter *waiter);

/* No commit happens any more: the process ends. `closed` comes in a deferred call once nothing is
 * under way. */
void gw_reloader_close(struct gw_reloader *reloader, void (*closed)(void *ctx), void *ctx);

/* Nothing is under way. */
bool gw_reloader_idle(const struct gw_reloader *reloader);

/* Closed before; lets the current configuration go. */
void gw_reloader_free(struct gw_reloader *reloader);

struct gw_config *gw_reloader_config(
    const struct gw_reloader *reloader); /* that serves; borrowed. NULL before the first */
struct gw_generations *gw_reloader_generations(struct gw_reloader *reloader);
const struct gw_reload_result *gw_reloader_last(const struct gw_reloader *reloader);

/* Reloads that ended since the start; generation 1 is none. */
struct gw_reload_counts {
    uint64_t good, bad;
};
struct gw_reload_counts gw_reloader_counts(const struct gw_reloader *reloader);

/* Of the configuration that serves; borrowed until the next commit. */
char *const *gw_reloader_warnings(const struct gw_reloader *reloader, unsigned *count);
