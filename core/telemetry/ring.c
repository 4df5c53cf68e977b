#include "telemetry/ring.h"

#include "base/alloc.h"
#include "base/check.h"

#include <stdatomic.h>

/* A record is a length and the bytes, rounded up to a multiple of the length's size. Records do not
 * wrap around: the length SKIP says that the next one is at the beginning. Positions count on for
 * ever, the place is the position modulo the size.
 *
 * `head` and `tail` are stored and then the other one is read, on both sides: with sequential
 * consistency at least one side sees the other's store, which is what gw_ring_was_empty() is good
 * for. */
#define SMALLEST 4096
#define SKIP UINT32_MAX
#define CACHE_LINE 64

struct gw_ring {
    /* the putting thread's */
    _Atomic size_t head; /* where the next record goes */
    size_t known_tail;   /* as last read */
    bool was_empty;
    _Atomic uint64_t dropped;
    char apart[CACHE_LINE];
    /* the taking thread's */
    _Atomic size_t tail; /* the first record not consumed */
    char apart_too[CACHE_LINE];
    /* both only read */
    size_t size;
    char *bytes;
};

struct gw_ring *gw_ring_new(size_t size)
{
    GW_ASSERT(size >= SMALLEST && (size & (size - 1)) == 0 && size < SKIP);
    struct gw_ring *ring = gw_alloc_zero(sizeof(*ring));

    ring->size = size;
    ring->bytes = gw_alloc(size);
    return ring;
}

void gw_ring_free(struct gw_ring *ring)
{
    gw_free(ring->bytes);
    gw_free(ring);
}

static size_t record_size(size_t len)
{
    return (sizeof(uint32_t) + len + sizeof(uint32_t) - 1) & ~(sizeof(uint32_t) - 1);
}

static char *place_of(const struct gw_ring *ring, size_t position)
{
    return ring->bytes + (position & (ring->size - 1));
}

static void write_length(const struct gw_ring *ring, size_t position, uint32_t len)
{
    memcpy(place_of(ring, position), &len, sizeof(len));
}

static uint32_t read_length(const struct gw_ring *ring, size_t position)
{
    uint32_t len;

    memcpy(&len, place_of(ring, position), sizeof(len));
    return len;
}

static size_t left_to_end(const struct gw_ring *ring, size_t position)
{
    return ring->size - (position & (ring->size - 1));
}

static bool has_room(struct gw_ring *ring, size_t head, size_t need)
{
    if (ring->size - (head - ring->known_tail) >= need)
        return true;
    ring->known_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
    return ring->size - (head - ring->known_tail) >= need;
}

bool gw_ring_put(struct gw_ring *ring, struct gw_slice line)
{
    size_t before = atomic_load_explicit(&ring->head, memory_order_relaxed);
    size_t head = before;
    size_t size = line.len > ring->size / 4 ? 0 : record_size(line.len);
    size_t skip = left_to_end(ring, head) < size ? left_to_end(ring, head) : 0;

    if (size == 0 || !has_room(ring, head, skip + size)) {
        uint64_t dropped = atomic_load_explicit(&ring->dropped, memory_order_relaxed);

        atomic_store_explicit(&ring->dropped, dropped + 1, memory_order_relaxed);
        return false;
    }
    if (skip)
        write_length(ring, head, SKIP);
    head += skip;
    write_length(ring, head, (uint32_t)line.len);
    if (line.len)
        memcpy(place_of(ring, head) + sizeof(uint32_t), line.ptr, line.len);
    atomic_store_explicit(&ring->head, head + size, memory_order_seq_cst);
    ring->known_tail = atomic_load_explicit(&ring->tail, memory_order_seq_cst);
    ring->was_empty = ring->known_tail == before;
    return true;
}

bool gw_ring_was_empty(const struct gw_ring *ring)
{
    return ring->was_empty;
}

/* The record at `position`, or behind the skip that stands there. */
static size_t next_record(const struct gw_ring *ring, size_t position)
{
    return read_length(ring, position) == SKIP ? position + left_to_end(ring, position) : position;
}

unsigned gw_ring_peek(struct gw_ring *ring, struct gw_slice *lines, unsigned max)
{
    size_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    size_t head = atomic_load_explicit(&ring->head, memory_order_seq_cst);
    unsigned count = 0;

    for (; count < max && position != head; count++) {
        position = next_record(ring, position);
        uint32_t len = read_length(ring, position);

        lines[count] = gw_slice(place_of(ring, position) + sizeof(len), len);
        position += record_size(len);
    }
    return count;
}

void gw_ring_consume(struct gw_ring *ring, unsigned count)
{
    size_t position = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    for (; count > 0; count--) {
        position = next_record(ring, position);
        position += record_size(read_length(ring, position));
    }
    atomic_store_explicit(&ring->tail, position, memory_order_seq_cst);
}

uint64_t gw_ring_dropped(const struct gw_ring *ring)
{
    return atomic_load_explicit(&ring->dropped, memory_order_relaxed);
}
