#include "sink/queue.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/utf8.h"

#include <stdatomic.h>

/* `newest` is NULL while the taking thread sleeps, else the last entry put, from which a chain goes
 * to the oldest and ends with NULL or with `awake`, which stands there in between. */
struct gw_sink_queue {
    _Atomic(struct gw_sink_entry *) newest;
    atomic_uint entries;
    atomic_size_t bytes;
    atomic_uint_fast64_t dropped;
    unsigned max_entries, wake_at;
    size_t max_bytes;
};

static struct gw_sink_entry awake;

struct gw_sink_queue *gw_sink_queue_new(unsigned max_entries, size_t max_bytes, unsigned wake_at)
{
    struct gw_sink_queue *queue = gw_alloc_zero(sizeof(*queue));

    queue->max_entries = max_entries;
    queue->max_bytes = max_bytes;
    queue->wake_at = wake_at;
    return queue;
}

void gw_sink_queue_free(struct gw_sink_queue *queue)
{
    struct gw_sink_entry *entry = gw_sink_queue_take(queue, true);

    while (entry) {
        struct gw_sink_entry *next = entry->next;

        gw_free(entry);
        entry = next;
    }
    gw_free(queue);
}

/* How many entries there are with the one more, or 0: no room. */
static unsigned reserve(struct gw_sink_queue *queue, size_t len)
{
    unsigned entries = atomic_fetch_add_explicit(&queue->entries, 1, memory_order_relaxed);
    size_t bytes = atomic_fetch_add_explicit(&queue->bytes, len, memory_order_relaxed);

    if (entries < queue->max_entries && bytes + len <= queue->max_bytes)
        return entries + 1;
    atomic_fetch_sub_explicit(&queue->entries, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&queue->bytes, len, memory_order_relaxed);
    atomic_fetch_add_explicit(&queue->dropped, 1, memory_order_relaxed);
    return 0;
}

static void blank(char *text, size_t len, char what)
{
    for (char *at = text; (at = memchr(at, what, len - (size_t)(at - text))); at++)
        *at = ' ';
}

/* What clients send is no text at times; who reads the lines must be able to. */
static void make_utf8(char *text, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint64_t eight;

        if (len - at >= sizeof(eight)) {
            memcpy(&eight, text + at, sizeof(eight));
            if (!(eight & 0x8080808080808080ull)) {
                at += sizeof(eight);
                continue;
            }
        }
        size_t length = gw_utf8_length(gw_slice(text + at, len - at));

        if (!length)
            text[at] = '?';
        at += length ? length : 1;
    }
}

static void fill(struct gw_sink_entry *entry, struct gw_slice text, bool newline)
{
    if (text.len)
        memcpy(entry->text, text.ptr, text.len);
    entry->len = text.len;
    make_utf8(entry->text, text.len);
    if (!newline)
        return;
    blank(entry->text, text.len, '\n');
    blank(entry->text, text.len, '\r');
    entry->text[entry->len++] = '\n';
}

enum gw_sink_put gw_sink_queue_put(struct gw_sink_queue *queue, struct gw_slice text, bool newline)
{
    size_t len = text.len + newline;
    unsigned entries = reserve(queue, len);

    if (!entries)
        return GW_SINK_FULL;

    struct gw_sink_entry *entry = gw_alloc(sizeof(*entry) + len);
    struct gw_sink_entry *newest = atomic_load_explicit(&queue->newest, memory_order_relaxed);

    fill(entry, text, newline);
    do
        entry->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&queue->newest, &newest, entry,
                                                  memory_order_release, memory_order_relaxed));
    return newest && entries != queue->wake_at ? GW_SINK_PUT : GW_SINK_PUT_WAKE;
}

static struct gw_sink_entry *turned_round(struct gw_sink_entry *newest)
{
    struct gw_sink_entry *oldest = NULL;

    while (newest && newest != &awake) {
        struct gw_sink_entry *before = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    return oldest;
}

struct gw_sink_entry *gw_sink_queue_take(struct gw_sink_queue *queue, bool sleeps)
{
    struct gw_sink_entry *expected = &awake;
    struct gw_sink_entry *oldest =
        turned_round(atomic_exchange_explicit(&queue->newest, &awake, memory_order_acquire));

    if (oldest || !sleeps ||
        atomic_compare_exchange_strong_explicit(&queue->newest, &expected, NULL,
                                                memory_order_relaxed, memory_order_relaxed))
        return oldest;
    return gw_sink_queue_take(queue, sleeps); /* one came just now */
}

void gw_sink_queue_release(struct gw_sink_queue *queue, struct gw_sink_entry *entry)
{
    atomic_fetch_sub_explicit(&queue->entries, 1, memory_order_relaxed);
    atomic_fetch_sub_explicit(&queue->bytes, entry->len, memory_order_relaxed);
    gw_free(entry);
}

unsigned gw_sink_queue_entries(const struct gw_sink_queue *queue)
{
    return atomic_load_explicit(&queue->entries, memory_order_relaxed);
}

size_t gw_sink_queue_bytes(const struct gw_sink_queue *queue)
{
    return atomic_load_explicit(&queue->bytes, memory_order_relaxed);
}

uint64_t gw_sink_queue_dropped(const struct gw_sink_queue *queue)
{
    return atomic_load_explicit(&queue->dropped, memory_order_relaxed);
}
