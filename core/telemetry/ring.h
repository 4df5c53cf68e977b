#pragma once
/* Lines from one thread to another without a lock: a worker puts, the log writer takes. A full ring
 * drops the line and counts it, because a worker never waits for a disk. */
#include "base/slice.h"

struct gw_ring;

#define GW_RING_DEFAULT_SIZE (1024 * 1024)

/* `size` in bytes: a power of two, at least 4 KiB. */
struct gw_ring *gw_ring_new(size_t size);
void gw_ring_free(struct gw_ring *ring);

/* ── the putting thread ── */

/* Copies the line. False when it was dropped: no room, or longer than a quarter of the ring. */
bool gw_ring_put(struct gw_ring *ring, struct gw_slice line);

/* Whether everything before the last line had been taken when it was put: then the other thread may
 * be asleep and has to be woken, once a batch. It never misses one: either this says true, or the
 * other thread's next gw_ring_peek() finds the line. */
bool gw_ring_was_empty(const struct gw_ring *ring);

/* ── the taking thread ── */

/* The next lines in order, at most `max`; borrowed until they are consumed. Returns how many. */
unsigned gw_ring_peek(struct gw_ring *ring, struct gw_slice *lines, unsigned max);

/* Gives the room of the first `count` lines of the last peek back. */
void gw_ring_consume(struct gw_ring *ring, unsigned count);

/* ── any thread ── */

uint64_t gw_ring_dropped(const struct gw_ring *ring);
