#pragma once
/* A hash table for many threads that never holds more than its budget of bytes: what was not used
 * for the longest time leaves first. The base of shared dictionaries and of whatever else counts by
 * key. Keys fall into *stripes* with a lock each, held for tens of nanoseconds: callers allocate
 * before, free after, and copy nothing long in between.
 *
 *     if (!gw_table_reserve(table, cost, now_us)) …          bytes for what may be put
 *     struct gw_table_place place;
 *     gw_table_lock(table, key, now_us, &place);             place.entry: what is there, or NULL
 *     gw_table_put(&place, entry);                           or change what is there
 *     gw_table_unlock(&place);                               frees what was replaced
 */
#include "base/list.h"
#include "base/slice.h"

struct gw_table;
struct gw_table_stripe;

/* Stands in the struct of each kind of entry. */
struct gw_table_entry {
    struct gw_list_node used;    /* of its stripe; the last one was used last */
    struct gw_table_entry *next; /* of its bucket */
    uint64_t hash;
    uint64_t used_us;    /* when it was used last */
    uint64_t expires_us; /* 0: never */
    size_t bytes;        /* reserved for it: set before it is put */
    struct gw_slice key; /* lives as long as the entry */
};

/* A locked stripe and what is in it under a key. */
struct gw_table_place {
    struct gw_table *table;
    struct gw_table_stripe *stripe;
    struct gw_slice key;
    uint64_t hash, now_us;
    struct gw_table_entry *entry; /* NULL: nothing, or it had expired */
    struct gw_table_entry *gone;  /* freed after unlocking; a chain through `next` */
};

/* What a block of the heap costs: what malloc adds is counted, too. */
static inline size_t gw_table_cost(size_t size)
{
    return (size + 8 + 15) & ~(size_t)15;
}

/* The fewest bytes a table takes. */
#define GW_TABLE_MIN_BYTES (64 * 1024)

/* `free_entry` is called without a lock. `max_bytes` covers the table's own buckets. */
struct gw_table *gw_table_new(size_t max_bytes, void (*free_entry)(struct gw_table_entry *entry));
void gw_table_free(struct gw_table *table);

/* Another budget; entries stay. When it is smaller, later reservations make the room. */
void gw_table_resize(struct gw_table *table, size_t max_bytes);

/* The most that one entry may have. */
size_t gw_table_entry_max(const struct gw_table *table);

/* Makes room for so many bytes, which the caller owns until an entry has them or until
 * gw_table_give_back(). False when it is more than one entry may have. No lock may be held. */
bool gw_table_reserve(struct gw_table *table, size_t bytes, uint64_t now_us);
void gw_table_give_back(struct gw_table *table, size_t bytes);

/* Finds; what is found counts as used. Locked until gw_table_unlock(). */
void gw_table_lock(struct gw_table *table, struct gw_slice key, uint64_t now_us,
                   struct gw_table_place *place);
void gw_table_unlock(struct gw_table_place *place);

/* Puts an entry with the place's key where nothing is or instead of what is there; it is the
 * table's then. */
void gw_table_put(struct gw_table_place *place, struct gw_table_entry *entry);

/* Takes place->entry out; it is freed after unlocking. */
void gw_table_remove(struct gw_table_place *place);

/* Calls `visit` for what is in a few buckets, under their lock, and moves the cursor on (it begins
 * as zeros); false when there are no more. What comes or goes meanwhile may be seen or not. */
struct gw_table_cursor {
    size_t stripe, bucket;
};
bool gw_table_walk(struct gw_table *table, struct gw_table_cursor *cursor,
                   void (*visit)(struct gw_table_entry *entry, void *ctx), void *ctx);

/* Takes everything out. */
void gw_table_clear(struct gw_table *table);

struct gw_table_stats {
    size_t bytes, max_bytes; /* with the buckets */
    size_t entries;
    uint64_t evicted; /* before they expired */
};
struct gw_table_stats gw_table_stats(struct gw_table *table);
