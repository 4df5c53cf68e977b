/* A table as a whole: making, another size, walking, emptying. */
#include "base/alloc.h"
#include "base/random.h"
#include "policy/table_private.h"

#define BYTES_A_BUCKET 128 /* about what a small entry takes */
#define BUCKETS_A_WALK 32  /* under one lock */

/* --- making and resizing --- */

static size_t buckets_for(size_t max_bytes)
{
    size_t wanted = max_bytes / BYTES_A_BUCKET / GW_TABLE_STRIPES;
    size_t count = 8;

    while (count < wanted)
        count *= 2;
    return count;
}

static size_t fixed_bytes(size_t buckets)
{
    return sizeof(struct gw_table) +
           GW_TABLE_STRIPES * gw_table_cost(buckets * sizeof(struct gw_table_entry *));
}

static void set_sizes(struct gw_table *table, size_t max_bytes, size_t buckets)
{
    atomic_store_explicit(&table->entries_bytes, max_bytes - fixed_bytes(buckets),
                          memory_order_relaxed);
    atomic_store_explicit(&table->max_bytes, max_bytes, memory_order_relaxed);
}

static size_t at_least(size_t max_bytes)
{
    return max_bytes < GW_TABLE_MIN_BYTES ? GW_TABLE_MIN_BYTES : max_bytes;
}

struct gw_table *gw_table_new(size_t max_bytes, void (*free_entry)(struct gw_table_entry *entry))
{
    struct gw_table *table = gw_alloc_zero(sizeof(*table));

    max_bytes = at_least(max_bytes);
    size_t buckets = buckets_for(max_bytes);

    table->free_entry = free_entry;
    gw_random_bytes(&table->seed, sizeof(table->seed));
    pthread_mutex_init(&table->resize, NULL);
    for (unsigned i = 0; i < GW_TABLE_STRIPES; i++) {
        struct gw_table_stripe *stripe = &table->stripes[i];

        pthread_mutex_init(&stripe->lock, NULL);
        stripe->buckets = gw_alloc_zero(buckets * sizeof(struct gw_table_entry *));
        stripe->mask = buckets - 1;
        gw_list_init(&stripe->used);
        gw_table_note_oldest(stripe);
    }
    set_sizes(table, max_bytes, buckets);
    return table;
}

void gw_table_free(struct gw_table *table)
{
    gw_table_clear(table);
    for (unsigned i = 0; i < GW_TABLE_STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].lock);
        gw_free(table->stripes[i].buckets);
    }
    pthread_mutex_destroy(&table->resize);
    gw_free(table);
}

/* The one thing that takes long under a lock; it happens when the configuration changes the
 * size. */
static void rehash(struct gw_table_stripe *stripe, size_t buckets)
{
    struct gw_table_entry **fresh = gw_alloc_zero(buckets * sizeof(struct gw_table_entry *));
    struct gw_table_entry **old;

    pthread_mutex_lock(&stripe->lock);
    old = stripe->buckets;
    stripe->buckets = fresh;
    stripe->mask = buckets - 1;
    GW_LIST_EACH(&stripe->used, node) {
        struct gw_table_entry *entry = container_of(node, struct gw_table_entry, used);
        struct gw_table_entry **bucket = gw_table_bucket(stripe, entry->hash);

        entry->next = *bucket;
        *bucket = entry;
    }
    pthread_mutex_unlock(&stripe->lock);
    gw_free(old);
}

void gw_table_resize(struct gw_table *table, size_t max_bytes)
{
    max_bytes = at_least(max_bytes);
    size_t buckets = buckets_for(max_bytes);

    pthread_mutex_lock(&table->resize);
    if (max_bytes != atomic_load_explicit(&table->max_bytes, memory_order_relaxed)) {
        for (unsigned i = 0; i < GW_TABLE_STRIPES; i++)
            if (table->stripes[i].mask != buckets - 1)
                rehash(&table->stripes[i], buckets);
        set_sizes(table, max_bytes, buckets);
    }
    pthread_mutex_unlock(&table->resize);
}

/* --- all entries --- */

bool gw_table_walk(struct gw_table *table, struct gw_table_cursor *cursor,
                   void (*visit)(struct gw_table_entry *entry, void *ctx), void *ctx)
{
    if (cursor->stripe >= GW_TABLE_STRIPES)
        return false;
    struct gw_table_stripe *stripe = &table->stripes[cursor->stripe];

    pthread_mutex_lock(&stripe->lock);
    size_t end = cursor->bucket + BUCKETS_A_WALK;
    size_t count = stripe->mask + 1;

    for (; cursor->bucket < end && cursor->bucket < count; cursor->bucket++)
        for (struct gw_table_entry *entry = stripe->buckets[cursor->bucket]; entry;
             entry = entry->next)
            visit(entry, ctx);
    pthread_mutex_unlock(&stripe->lock);
    if (cursor->bucket >= count)
        *cursor = (struct gw_table_cursor){ .stripe = cursor->stripe + 1 };
    return true;
}

static void move_all(struct gw_list *from, struct gw_list *to)
{
    gw_list_init(to);
    if (gw_list_empty(from))
        return;
    to->root = from->root;
    to->root.next->prev = &to->root;
    to->root.prev->next = &to->root;
    gw_list_init(from);
}

/* However many they are, the lock covers a few pointers. */
static void clear(struct gw_table *table, struct gw_table_stripe *stripe)
{
    struct gw_table_entry **fresh =
        gw_alloc_zero((stripe->mask + 1) * sizeof(struct gw_table_entry *));
    struct gw_list gone;

    pthread_mutex_lock(&stripe->lock);
    struct gw_table_entry **old = stripe->buckets;

    stripe->buckets = fresh;
    stripe->count = 0;
    move_all(&stripe->used, &gone);
    gw_table_note_oldest(stripe);
    pthread_mutex_unlock(&stripe->lock);
    gw_free(old);
    GW_LIST_EACH(&gone, node) {
        struct gw_table_entry *entry = container_of(node, struct gw_table_entry, used);

        entry->next = NULL;
        gw_table_free_gone(table, entry);
    }
}

void gw_table_clear(struct gw_table *table)
{
    pthread_mutex_lock(&table->resize); /* the number of buckets stays as it is */
    for (unsigned i = 0; i < GW_TABLE_STRIPES; i++)
        clear(table, &table->stripes[i]);
    pthread_mutex_unlock(&table->resize);
}

struct gw_table_stats gw_table_stats(struct gw_table *table)
{
    size_t max_bytes = atomic_load_explicit(&table->max_bytes, memory_order_relaxed);
    size_t fixed = max_bytes - atomic_load_explicit(&table->entries_bytes, memory_order_relaxed);
    struct gw_table_stats stats = {
        .bytes = fixed + atomic_load_explicit(&table->bytes, memory_order_relaxed),
        .max_bytes = max_bytes,
        .evicted = atomic_load_explicit(&table->evicted, memory_order_relaxed),
    };

    for (unsigned i = 0; i < GW_TABLE_STRIPES; i++) {
        pthread_mutex_lock(&table->stripes[i].lock);
        stats.entries += table->stripes[i].count;
        pthread_mutex_unlock(&table->stripes[i].lock);
    }
    return stats;
}
