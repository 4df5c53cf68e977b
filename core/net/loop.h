#pragma once
/* Everything a thread runs hangs on one loop: uv loop, timers, clock, read buffer, random, deferred
 * calls, messages from other threads, resolver. A thread is only who turns it; that is the seam for
 * tests, where one thread turns several. */
#include "base/clock.h"
#include "base/list.h"
#include "base/random.h"
#include "net/timer.h"

#ifndef GW_CDEF
#include <stdatomic.h>
#include <stddef.h>
#include <uv.h>
#endif

struct gw_h2_room;
struct gw_outside;
struct gw_resolver;
struct gw_tls_room;

/* A call to be made at the end of the current turn, after all I/O callbacks that are ready. Lives
 * in the struct it serves, zero-initialised. How an operation that ends at once still calls back
 * only after it returned. */
struct gw_defer {
    struct gw_list_node node;
    void (*run)(struct gw_defer *defer);
};

/* Something posted by another thread. The sender allocates it; deliver() owns it, on the loop's
 * thread. */
struct gw_message {
    struct gw_message *next;
    void (*deliver)(struct gw_message *message, struct gw_loop *loop);
};

#ifndef GW_CDEF

#define GW_READ_BUFFER_SIZE (256 * 1024)

struct gw_loop {
    uv_loop_t uv;
    struct gw_clock clock;
    struct gw_random random;
    struct gw_resolver *resolver; /* made at first use */
    struct gw_outside *outside;   /* in the place of the network; NULL: the real one */
    char *read_buffer;            /* GW_READ_BUFFER_SIZE bytes, lent to one read at a time */
    struct gw_tls_room *tls_room; /* made at first use */
    struct gw_h2_room *h2_room;   /* the same; http/'s */
    struct gw_timers *timers;
    struct gw_list deferred;  /* struct gw_defer */
    struct gw_list lingering; /* connections on their gentle way out; cut short by gw_loop_free() */
    unsigned lingering_count;
    struct {
        struct gw_list givers; /* see relief.h */
        _Atomic uint64_t closed;
        uint64_t next_log_us;
        unsigned untold;
        void (*ask)(void *ctx); /* other loops; NULL: there are none to be asked */
        void *ctx;
    } relief;
    struct gw_mailbox *mailbox; /* messages from other threads, one wake-up a batch */
    uv_prepare_t *before_poll;  /* marks the clock as stale */
    unsigned index;   /* of the worker, for per-worker slots; assigned by who makes the loop */
    bool clock_fresh; /* refreshed since the last poll */
    bool stopping;
};

/* The first thing in every libuv callback: brings the clock up to date, once a turn. */
static inline void gw_loop_woke(struct gw_loop *loop)
{
    if (loop->clock_fresh)
        return;
    loop->clock_fresh = true;
    gw_clock_refresh(&loop->clock);
}

#endif

/* Owned by the caller until gw_loop_free(). `virtual_clock`: only gw_loop_advance() moves time. */
struct gw_loop *gw_loop_new(bool virtual_clock);

/* Everything on it must be closed; turns until the last close callback came, logs handles still
 * open after that. */
void gw_loop_free(struct gw_loop *loop);

/* Turns until gw_loop_stop(). */
void gw_loop_run(struct gw_loop *loop);

/* On the loop's thread, or through a message. */
void gw_loop_stop(struct gw_loop *loop);

/* One turn: I/O that is ready (`wait`: or blocks for the first), timers, deferred calls. True while
 * something is alive: a handle, a timer or a deferred call. With nothing alive it does not block.
 * For tests and for who shares a thread. */
bool gw_loop_turn(struct gw_loop *loop, bool wait);

/* Virtual clocks: moves time and fires timers one by one, in order, each at its own due time;
 * deferred calls run before and between them. */
void gw_loop_advance(struct gw_loop *loop, uint64_t by_us);

/* The due time of the next timer in *due_us; false when none is running. */
bool gw_loop_next_timer(const struct gw_loop *loop, uint64_t *due_us);

/* Runs `defer->run` at the end of this turn; calling again before that changes nothing. */
void gw_loop_defer(struct gw_loop *loop, struct gw_defer *defer, void (*run)(struct gw_defer *));
void gw_defer_cancel(struct gw_defer *defer);

/* From any thread; order per sender is kept. */
void gw_loop_post(struct gw_loop *loop, struct gw_message *message);
