#pragma once
/* Memory for a Lua state. Small pieces (what hooks make for a request and the collector gives back)
 * come from one region, by size and last in, first out, which costs a few instructions where
 * malloc() takes a hundred and more as soon as the collector frees in bursts. What does not fit is
 * a *block* of malloc()'s. One thread at a time. */
#include "base/list.h"

#include <stddef.h>

#define GW_PIECES_MAX 256 /* bytes of the largest */
#define GW_PIECES_STEP 16 /* sizes are rounded up to it */

struct gw_pieces {
    struct gw_list blocks; /* all there are: LuaJIT loses some when it gets no memory */
    char *start, *end;     /* the region; NULL: everything is a block */
    char *at;              /* what is above was never used */
    void *free[GW_PIECES_MAX / GW_PIECES_STEP];
};

void gw_pieces_init(struct gw_pieces *pieces);

/* The region: that of a state that runs hooks. What was allocated before stays where it is. */
void gw_pieces_open(struct gw_pieces *pieces);

/* The state is closed: what it did not give back is freed, too. */
void gw_pieces_deinit(struct gw_pieces *pieces);

/* realloc(), knowing the old size; a new size of 0 frees and returns NULL. Never fails. */
void *gw_pieces_resize(struct gw_pieces *pieces, void *ptr, size_t old_size, size_t new_size);
