#pragma once
/* Lines from many threads to one, in order, bounded in number and bytes. Nobody waits: what finds
 * no room is dropped and counted.
 *
 * The taking thread sleeps while there is nothing; whoever puts the first entry then is told to
 * wake it. While it is awake (it looks again by itself) putting an entry costs no wake-up. */
#include "base/slice.h"

struct gw_sink_queue;

struct gw_sink_entry {
    struct gw_sink_entry *next;
    size_t len;
    char text[];
};

enum gw_sink_put {
    GW_SINK_FULL, /* dropped, counted */
    GW_SINK_PUT,
    GW_SINK_PUT_WAKE, /* the other thread must be woken */
};

/* `wake_at`: so many entries waiting wake the taking thread, awake or not; 0: never. */
struct gw_sink_queue *gw_sink_queue_new(unsigned max_entries, size_t max_bytes, unsigned wake_at);
void gw_sink_queue_free(struct gw_sink_queue *queue); /* with what is in it */

/* From any thread. Copies the text; bytes that are not UTF-8 become "?". With `newline`, one stands
 * behind it, and what would end the line before that becomes a space. */
enum gw_sink_put gw_sink_queue_put(struct gw_sink_queue *queue, struct gw_slice text, bool newline);

/* ── the taking thread ── */

/* All entries, the oldest first, owned by the caller; they go on counting against the bounds until
 * they are released. NULL: none, and with `sleeps` the next put wakes. */
struct gw_sink_entry *gw_sink_queue_take(struct gw_sink_queue *queue, bool sleeps);

/* Frees an entry and gives its room back. */
void gw_sink_queue_release(struct gw_sink_queue *queue, struct gw_sink_entry *entry);

/* ── any thread ── */

unsigned gw_sink_queue_entries(const struct gw_sink_queue *queue); /* put and not released */
size_t gw_sink_queue_bytes(const struct gw_sink_queue *queue);
uint64_t gw_sink_queue_dropped(const struct gw_sink_queue *queue);
