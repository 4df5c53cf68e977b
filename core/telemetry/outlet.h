#pragma once
/* Where lines of a log leave the process: a file, standard output or error. Writing never waits
 * for a reader: what finds no room (a pipe nobody reads, a terminal that was stopped) or fails (a
 * full disk, a reader that is gone) stays with the caller, who tries again. A line that was begun
 * is ended before the next one, so none is ever cut by another. One thread uses an outlet at a
 * time. */
#include "base/slice.h"

enum gw_outlet_state {
    GW_OUTLET_GOOD,
    GW_OUTLET_STALLED, /* no room now: poll `fd` for writing, or try again soon */
    GW_OUTLET_FAILED,  /* `error` says why; writing does nothing for a second */
};

enum gw_outlet_kind {
    GW_OUTLET_FILE,   /* or a device that does not make anybody wait */
    GW_OUTLET_PIPE,   /* opened by ourselves, so that it is non-blocking for nobody else */
    GW_OUTLET_SOCKET, /* a service manager's */
    GW_OUTLET_SHARED, /* what cannot be opened anew: a page at a time, when poll(2) says so */
};

struct gw_outlet {
    char *name; /* "off", "stdout", "stderr" or a path; NULL: nothing yet */
    int fd;     /* -1: off, lines go nowhere */
    bool owned; /* the descriptor is ours to close */
    enum gw_outlet_kind kind;
    enum gw_outlet_state state;
    int error;
    uint64_t retry_us; /* of a failed one */
    char *cut;         /* the line that was begun, whole; NULL: none */
    size_t cut_len, cut_sent;
};

/* Nothing yet: lines go nowhere. */
void gw_outlet_init(struct gw_outlet *outlet);

/* False, with errno set and the outlet empty but for its name, when it cannot be opened. */
bool gw_outlet_open(struct gw_outlet *outlet, struct gw_slice name);

/* Also of one that could not be opened. What was left of a line is dropped. */
void gw_outlet_close(struct gw_outlet *outlet);

/* Closes the old one and goes on in the new one; a line that was begun is written there whole. */
void gw_outlet_replace(struct gw_outlet *outlet, struct gw_outlet *with);

/* Opens a file again under its name, because it was rotated: no line is lost or stands in both.
 * False, with errno set and the old file in use, when it cannot be opened. */
bool gw_outlet_reopen(struct gw_outlet *outlet);

/* How many of the lines were taken, in order; `state` says why not all. `now_us` is monotonic. */
unsigned gw_outlet_write(struct gw_outlet *outlet, const struct gw_slice *lines, unsigned count,
                         uint64_t now_us);

/* Writes the rest of a line that was begun. True when there is none. */
bool gw_outlet_finish(struct gw_outlet *outlet, uint64_t now_us);
