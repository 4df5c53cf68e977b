/* One atomic number says how many bytes are taken; who wants more adds to it first, and if that is
 * too much, takes out the entry that was not used for the longest time until it is not. Each stripe
 * shows the age of its oldest one, so that no stripe needs a budget of its own and finding it locks
 * one stripe only. */
#include "base/fault.h"
#include "base/map.h"
#include "policy/table_private.h"

#define STRIPE_SHIFT 59    /* the upper bits choose the stripe, the lower ones the bucket */
#define EVICTED_AT_ONCE 64 /* by one reservation, while a smaller budget is being reached */
#define LARGEST_PART 4     /* of the budget is the most one entry may have */

/* --- bytes --- */

static size_t budget(const struct gw_table *table)
{
    return atomic_load_explicit(&table->entries_bytes, memory_order_relaxed);
}

size_t gw_table_entry_max(const struct gw_table *table)
{
    return budget(table) / LARGEST_PART;
}

void gw_table_give_back(struct gw_table *table, size_t bytes)
{
    atomic_fetch_sub_explicit(&table->bytes, bytes, memory_order_relaxed);
}

static void unchain(struct gw_table_stripe *stripe, struct gw_table_entry *entry)
{
    struct gw_table_entry **link = gw_table_bucket(stripe, entry->hash);

    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    gw_list_remove(&entry->used);
    stripe->count--;
}

void gw_table_free_gone(struct gw_table *table, struct gw_table_entry *entry)
{
    while (entry) {
        struct gw_table_entry *next = entry->next;

        gw_table_give_back(table, entry->bytes);
        table->free_entry(entry);
        entry = next;
    }
}

/* Of those that are equally old (a burst within one turn of a loop) each time another one. */
static struct gw_table_stripe *oldest_stripe(struct gw_table *table, uint64_t *oldest_us)
{
    unsigned from = atomic_fetch_add_explicit(&table->hand, 1, memory_order_relaxed);
    struct gw_table_stripe *oldest = NULL;

    *oldest_us = UINT64_MAX;

    for (unsigned i = 0; i < GW_TABLE_STRIPES; i++) {
        struct gw_table_stripe *stripe = &table->stripes[(from + i) % GW_TABLE_STRIPES];
        uint64_t age_us = atomic_load_explicit(&stripe->oldest_us, memory_order_relaxed);

        if (age_us < *oldest_us) {
            oldest = stripe;
            *oldest_us = age_us;
        }
    }
    return oldest;
}

/* Takes the oldest entry out; false when there is none. What was looked at without the lock may be
 * gone when it is taken: then what stands first is young, and stays. */
static bool evict_one(struct gw_table *table, uint64_t now_us, size_t *bytes)
{
    uint64_t oldest_us;
    struct gw_table_stripe *stripe = oldest_stripe(table, &oldest_us);
    struct gw_table_entry *entry = NULL;

    if (!stripe)
        return false;
    pthread_mutex_lock(&stripe->lock);
    struct gw_list_node *node = gw_list_first(&stripe->used);

    if (node && container_of(node, struct gw_table_entry, used)->used_us <= oldest_us) {
        entry = container_of(node, struct gw_table_entry, used);
        unchain(stripe, entry);
        gw_table_note_oldest(stripe);
    }
    pthread_mutex_unlock(&stripe->lock);
    if (!entry) /* somebody was faster */
        return true;
    *bytes += entry->bytes;
    if (entry->expires_us == 0 || entry->expires_us > now_us)
        atomic_fetch_add_explicit(&table->evicted, 1, memory_order_relaxed);
    entry->next = NULL;
    gw_table_free_gone(table, entry);
    return true;
}

/* Until it fits; after the budget became smaller, until as much left as comes and a bit more. */
static void make_room(struct gw_table *table, size_t bytes, uint64_t now_us)
{
    size_t freed = 0;

    for (unsigned i = 0; freed < bytes || i < EVICTED_AT_ONCE; i++)
        if (atomic_load_explicit(&table->bytes, memory_order_relaxed) <= budget(table) ||
            !evict_one(table, now_us, &freed))
            return;
}

bool gw_table_reserve(struct gw_table *table, size_t bytes, uint64_t now_us)
{
    if (bytes > gw_table_entry_max(table) || GW_FAULT(ZONE_ROOM))
        return false;
    size_t before = atomic_fetch_add_explicit(&table->bytes, bytes, memory_order_relaxed);

    if (before + bytes > budget(table))
        make_room(table, bytes, now_us);
    return true;
}

/* --- one entry --- */

static void take_out(struct gw_table_place *place, struct gw_table_entry *entry)
{
    unchain(place->stripe, entry);
    entry->next = place->gone;
    place->gone = entry;
}

void gw_table_lock(struct gw_table *table, struct gw_slice key, uint64_t now_us,
                   struct gw_table_place *place)
{
    uint64_t hash = gw_hash(table->seed, key.ptr, key.len);
    struct gw_table_stripe *stripe = &table->stripes[hash >> STRIPE_SHIFT];

    *place = (struct gw_table_place){
        .table = table, .stripe = stripe, .key = key, .hash = hash, .now_us = now_us
    };
    pthread_mutex_lock(&stripe->lock);
    struct gw_table_entry *entry = *gw_table_bucket(stripe, hash);

    while (entry && !(entry->hash == hash && gw_slice_equal(entry->key, key)))
        entry = entry->next;
    if (!entry)
        return;
    if (entry->expires_us && entry->expires_us <= now_us) {
        take_out(place, entry);
        return;
    }
    gw_list_remove(&entry->used);
    gw_list_append(&stripe->used, &entry->used);
    if (now_us > entry->used_us) /* a thread that was kept waiting comes with an older one */
        entry->used_us = now_us;
    place->entry = entry;
}

void gw_table_unlock(struct gw_table_place *place)
{
    gw_table_note_oldest(place->stripe);
    pthread_mutex_unlock(&place->stripe->lock);
    gw_table_free_gone(place->table, place->gone);
    place->gone = NULL;
}

void gw_table_remove(struct gw_table_place *place)
{
    take_out(place, place->entry);
    place->entry = NULL;
}

void gw_table_put(struct gw_table_place *place, struct gw_table_entry *entry)
{
    struct gw_table_stripe *stripe = place->stripe;

    if (place->entry)
        gw_table_remove(place);
    struct gw_table_entry **bucket = gw_table_bucket(stripe, place->hash);

    entry->hash = place->hash;
    entry->used_us = place->now_us;
    entry->next = *bucket;
    *bucket = entry;
    entry->used = (struct gw_list_node){ 0 };
    gw_list_append(&stripe->used, &entry->used);
    stripe->count++;
    place->entry = entry;
}
