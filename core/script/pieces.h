#pragma once
/* Small pieces of memory for the Lua state of one worker: what hooks make for a request and the
 * collector gives back. They come from one region, by size and last in, first out, which costs a
 * few instructions where malloc() takes a hundred and more as soon as the collector frees in
 * bursts. What does not fit goes to malloc(). One thread at a time. */
#include <stddef.h>

#define GW_PIECES_MAX 256 /* bytes of the largest */
#define GW_PIECES_STEP 16 /* sizes are rounded up to it */

struct gw_pieces {
    char *start, *end; /* the region; NULL: everything comes from malloc() */
    char *at;          /* what is above was never used */
    void *free[GW_PIECES_MAX / GW_PIECES_STEP];
};

/* The region: that of a state that runs hooks. What was allocated before stays where it is. */
void gw_pieces_open(struct gw_pieces *pieces);

/* After everything in it was freed. */
void gw_pieces_close(struct gw_pieces *pieces);

/* realloc(), knowing the old size; a new size of 0 frees and returns NULL. Never fails. */
void *gw_pieces_resize(struct gw_pieces *pieces, void *ptr, size_t old_size, size_t new_size);
