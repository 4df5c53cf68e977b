#pragma once
/* Places at an upstream, and the line of requests that wait for one: shared by all workers, and
 * kept over reloads.
 *
 * Who comes takes a place at once while nobody waits; else it goes to the end of the line, so that
 * nobody overtakes. Each place that is given back *calls* the first of the line, on its own worker;
 * who was called takes a place, or goes back to the front when there is none for it after all, or
 * leaves, and then the next is called. The lock is only taken while somebody waits. */
#include "base/list.h"
#include "net/loop.h"

#ifndef GW_CDEF
#include <pthread.h>
#include <stdatomic.h>
#endif

struct gw_line_wait;

struct gw_line {
    atomic_uint active;  /* places taken */
    atomic_uint waiting; /* in the line, and those that were called and have no place yet */
    atomic_uint changes; /* of the above, for the better; wraps. By it who gets in line sees whether
                            it missed one */
    atomic_ullong full, late; /* how often the line was full, and somebody waited too long */
    pthread_mutex_t lock;     /* for the list */
    struct gw_list waits;
};

void gw_line_init(struct gw_line *line);
void gw_line_deinit(struct gw_line *line); /* nobody may wait, nor have a place */

/* To be asked before looking for a place. */
static inline unsigned gw_line_look(struct gw_line *line)
{
    return atomic_load(&line->changes);
}

/* Takes a place of at most `most` (0: no bound). `called`: who asks was called. Else false also
 * while others wait. */
bool gw_line_enter(struct gw_line *line, unsigned most, bool called);

/* Gives it back. */
void gw_line_leave(struct gw_line *line);

/* Gives a place back that was of no use: nobody is called for it. */
void gw_line_undo(struct gw_line *line);

/* Joins the end of the line, where fewer than `most` wait; NULL: it is full. `look` is from before
 * the place was looked for. `on_call` is called on the loop, never before this returned, and may be
 * called again after gw_line_again(). Ends by gw_line_done() or gw_line_cancel(). */
struct gw_line_wait *gw_line_wait(struct gw_line *line, unsigned most, unsigned look,
                                  struct gw_loop *loop, void (*on_call)(void *ctx), void *ctx);

/* Who was called found no place after all: it is the first of the line again. */
void gw_line_again(struct gw_line_wait *wait, unsigned look);

/* Who was called has a place; when there is `more` room the next one is called. Frees the wait. */
void gw_line_done(struct gw_line_wait *wait, bool more);

/* At any time: it does not want a place any more. */
void gw_line_cancel(struct gw_line_wait *wait);
