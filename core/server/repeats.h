#pragma once
/* Keeps one message from filling a log: of equal lines that follow each other, so many a second are
 * written, the rest is counted and said in one line. */
#include "base/slice.h"

#define GW_REPEATS_WRITTEN 10 /* equal lines a second */

struct gw_repeats {
    char *text; /* the last line written; NULL: none */
    size_t len;
    int level;
    unsigned written; /* of it, in this second */
    uint64_t second_us;
    uint64_t pending; /* not written and not said yet */
};

/* True: the line is counted and not to be written. */
bool gw_repeats_swallow(struct gw_repeats *repeats, int level, struct gw_slice text,
                        uint64_t now_us);

/* The line was written. */
void gw_repeats_written(struct gw_repeats *repeats, int level, struct gw_slice text,
                        uint64_t now_us);

/* How many were counted; whether it is time to say so, though no other line came; they were said.
 */
uint64_t gw_repeats_pending(const struct gw_repeats *repeats);
bool gw_repeats_due(const struct gw_repeats *repeats, uint64_t now_us);
void gw_repeats_told(struct gw_repeats *repeats);

void gw_repeats_deinit(struct gw_repeats *repeats);
