#pragma once
/* What the files of a table share. */
#include "policy/table.h"

#include <pthread.h>
#include <stdatomic.h>

#define GW_TABLE_STRIPES 32

struct gw_table_stripe {
    pthread_mutex_t lock;
    struct gw_table_entry **buckets;
    size_t mask; /* buckets - 1 */
    size_t count;
    struct gw_list used;
    _Atomic uint64_t oldest_us; /* when the first of them was used; UINT64_MAX: there is none */
    char apart[64];             /* neighbours do not share a cache line */
};

struct gw_table {
    struct gw_table_stripe stripes[GW_TABLE_STRIPES];
    void (*free_entry)(struct gw_table_entry *entry);
    uint64_t seed;
    pthread_mutex_t resize;
    atomic_size_t max_bytes;     /* as asked for */
    atomic_size_t entries_bytes; /* of them those for entries; the rest is the table itself */
    atomic_size_t bytes;         /* of entries, and reserved */
    atomic_uint hand;            /* which stripe gives an entry next */
    _Atomic uint64_t evicted;
};

static inline struct gw_table_entry **gw_table_bucket(const struct gw_table_stripe *stripe,
                                                      uint64_t hash)
{
    return &stripe->buckets[hash & stripe->mask];
}

/* After the list of used ones changed, under the lock. */
static inline void gw_table_note_oldest(struct gw_table_stripe *stripe)
{
    struct gw_list_node *node = gw_list_first(&stripe->used);

    atomic_store_explicit(&stripe->oldest_us,
                          node ? container_of(node, struct gw_table_entry, used)->used_us
                               : UINT64_MAX,
                          memory_order_relaxed);
}

/* Frees a chain of entries that are in the table no more. */
void gw_table_free_gone(struct gw_table *table, struct gw_table_entry *entry);
