#pragma once
/* The place a log is written to, as reloads and rotations change it: control prepares and commits,
 * the thread that writes takes what was committed between two lines. */
#include "telemetry/outlet.h"

#include <pthread.h>
#include <stdatomic.h>

struct gw_log_place {
    const char *key;              /* in the configuration: "log.access" */
    struct gw_outlet now;         /* the writing thread's */
    struct gw_outlet prepared;    /* control's */
    pthread_mutex_t lock;         /* for `next` */
    struct gw_outlet next;        /* name NULL: nothing new */
    atomic_bool changes, reopens; /* `next` is there; the file was rotated */
};

#define GW_LOG_PLACE(the_key)                                                                      \
    {                                                                                              \
        .key = (the_key), .now = { .fd = -1 }, .prepared = { .fd = -1 },                           \
        .lock = PTHREAD_MUTEX_INITIALIZER, .next = { .fd = -1 },                                   \
    }

/* Opens what the next commit will use. False, with nothing changed and a text for the operator in
 * `why`, when it cannot be opened. */
bool gw_log_place_prepare(struct gw_log_place *place, struct gw_slice name, char *why,
                          size_t why_size);
void gw_log_place_commit(struct gw_log_place *place);
void gw_log_place_reopen(struct gw_log_place *place);

/* ── the writing thread ── */

/* Whether the lines go to that place now. */
bool gw_log_place_is(const struct gw_log_place *place, const char *name);

/* True when there was a change. `*error`: why a rotated file cannot be opened again (the old one
 * goes on being used), else 0. */
bool gw_log_place_take_changes(struct gw_log_place *place, int *error);

/* Nobody else uses it any more. */
void gw_log_place_close(struct gw_log_place *place);
