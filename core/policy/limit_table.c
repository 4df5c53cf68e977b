/* The cells of the limits: a stripe is a lock, an array of units and chains through it, by index,
 * so that the whole is one block of memory which the system gives page by page as it is used. */
#include "base/alloc.h"
#include "policy/limit_private.h"

#define STRIPES_SMALL 4
#define STRIPES_LARGE 16
#define LARGE_BYTES (1024 * 1024)
#define BUCKET_BYTES 4 /* a unit's part of the buckets, at most */

/* --- stripes --- */

static void stripe_init(struct gw_limit_stripe *stripe, size_t bytes)
{
    size_t units = bytes / (sizeof(union gw_limit_unit) + BUCKET_BYTES);
    uint32_t buckets = 1;

    if (units > UINT32_MAX / 2)
        units = UINT32_MAX / 2;
    while (buckets <= units / 2)
        buckets *= 2;
    stripe->size = (uint32_t)units;
    stripe->mask = buckets - 1;
    stripe->units = gw_alloc_zero(units * sizeof(union gw_limit_unit));
    stripe->buckets = gw_alloc_zero(buckets * sizeof(uint32_t));
    stripe->fresh = 1;
    stripe->log_max = stripe->size / GW_LIMIT_LOG_PART * GW_LIMIT_BLOCK_ENTRIES;
}

static void stripe_deinit(struct gw_limit_stripe *stripe)
{
    gw_free(stripe->units);
    gw_free(stripe->buckets);
}

static uint32_t index_of(const struct gw_limit_stripe *stripe, const struct gw_limit_cell *cell)
{
    return (uint32_t)((const union gw_limit_unit *)(const void *)cell - stripe->units);
}

static uint32_t *bucket_of(const struct gw_limit_stripe *stripe, struct gw_hash128 hash)
{
    return &stripe->buckets[hash.low & stripe->mask];
}

static struct gw_limit_cell *cell_at(const struct gw_limit_stripe *stripe, uint32_t index)
{
    return &stripe->units[index].cell;
}

struct gw_limit_cell *gw_limit_find(struct gw_limit_stripe *stripe, struct gw_hash128 hash)
{
    for (uint32_t i = *bucket_of(stripe, hash); i; i = cell_at(stripe, i)->next) {
        struct gw_limit_cell *cell = cell_at(stripe, i);

        if (cell->hash.low == hash.low && cell->hash.high == hash.high)
            return cell;
    }
    return NULL;
}

/* --- by use --- */

static void unlink_use(struct gw_limit_stripe *stripe, const struct gw_limit_cell *cell)
{
    if (cell->newer)
        cell_at(stripe, cell->newer)->older = cell->older;
    else
        stripe->newest = cell->older;
    if (cell->older)
        cell_at(stripe, cell->older)->newer = cell->newer;
    else
        stripe->oldest = cell->newer;
}

static void link_newest(struct gw_limit_stripe *stripe, struct gw_limit_cell *cell)
{
    uint32_t index = index_of(stripe, cell);

    cell->newer = 0;
    cell->older = stripe->newest;
    if (stripe->newest)
        cell_at(stripe, stripe->newest)->newer = index;
    else
        stripe->oldest = index;
    stripe->newest = index;
}

void gw_limit_touch(struct gw_limit_stripe *stripe, struct gw_limit_cell *cell)
{
    if (!cell->newer)
        return;
    unlink_use(stripe, cell);
    link_newest(stripe, cell);
}

/* --- units --- */

void gw_limit_unit_free(struct gw_limit_stripe *stripe, uint32_t unit)
{
    stripe->units[unit].block.next = stripe->free;
    stripe->free = unit;
    stripe->used--;
}

/* How many blocks its log has, which are all but the first entry. */
static uint32_t blocks_of(const struct gw_limit_cell *cell)
{
    if (!cell->head)
        return 0;
    return (cell->log.head_at + cell->log.count - 1U + GW_LIMIT_BLOCK_ENTRIES - 1U) /
           GW_LIMIT_BLOCK_ENTRIES;
}

void gw_limit_drop(struct gw_limit_stripe *stripe, struct gw_limit_cell *cell)
{
    uint32_t index = index_of(stripe, cell);
    uint32_t *link = bucket_of(stripe, cell->hash);

    while (*link != index)
        link = &cell_at(stripe, *link)->next;
    *link = cell->next;
    unlink_use(stripe, cell);
    if (cell->head) { /* the chain as a whole */
        stripe->used -= blocks_of(cell);
        stripe->units[cell->tail].block.next = stripe->free;
        stripe->free = cell->head;
    }
    stripe->cells--;
    gw_limit_unit_free(stripe, index);
}

static void evict(struct gw_limit_stripe *stripe, uint64_t now_us)
{
    struct gw_limit_cell *cell = cell_at(stripe, stripe->oldest);

    GW_ASSERT(stripe->oldest);
    if (cell->settled_s > now_us / 1000000)
        stripe->evicted++;
    gw_limit_drop(stripe, cell);
}

uint32_t gw_limit_unit_new(struct gw_limit_stripe *stripe, uint64_t now_us)
{
    if (!stripe->free && stripe->fresh == stripe->size)
        evict(stripe, now_us);
    stripe->used++;
    if (!stripe->free)
        return stripe->fresh++;
    uint32_t unit = stripe->free;

    stripe->free = stripe->units[unit].block.next;
    return unit;
}

struct gw_limit_cell *gw_limit_add(struct gw_limit_stripe *stripe, struct gw_hash128 hash,
                                   uint64_t now_us)
{
    uint32_t index = gw_limit_unit_new(stripe, now_us);
    struct gw_limit_cell *cell = cell_at(stripe, index);
    uint32_t *bucket = bucket_of(stripe, hash);

    *cell = (struct gw_limit_cell){ .hash = hash, .next = *bucket };
    *bucket = index;
    stripe->cells++;
    link_newest(stripe, cell);
    return cell;
}

/* --- the whole --- */

static size_t stripe_bytes(const struct gw_limit_table *limits, size_t max_bytes)
{
    if (max_bytes < GW_LIMIT_MIN_BYTES)
        max_bytes = GW_LIMIT_MIN_BYTES;
    return max_bytes / limits->stripe_count;
}

struct gw_limit_table *gw_limit_table_new(size_t max_bytes)
{
    struct gw_limit_table *limits = gw_alloc_zero(sizeof(*limits));

    gw_siphash_key_init(&limits->secret);
    limits->max_bytes = max_bytes;
    limits->stripe_count = max_bytes < LARGE_BYTES ? STRIPES_SMALL : STRIPES_LARGE;
    limits->stripes = gw_alloc_zero(limits->stripe_count * sizeof(limits->stripes[0]));
    pthread_mutex_init(&limits->resize, NULL);
    for (unsigned i = 0; i < limits->stripe_count; i++) {
        pthread_mutexattr_t patient;

        pthread_mutexattr_init(&patient);
        pthread_mutexattr_settype(&patient, PTHREAD_MUTEX_ADAPTIVE_NP); /* tens of ns: spin first */
        pthread_mutex_init(&limits->stripes[i].lock, &patient);
        pthread_mutexattr_destroy(&patient);
        stripe_init(&limits->stripes[i], stripe_bytes(limits, max_bytes));
    }
    return limits;
}

void gw_limit_table_free(struct gw_limit_table *limits)
{
    for (unsigned i = 0; i < limits->stripe_count; i++) {
        stripe_deinit(&limits->stripes[i]);
        pthread_mutex_destroy(&limits->stripes[i].lock);
    }
    pthread_mutex_destroy(&limits->resize);
    gw_free(limits->stripes);
    gw_free(limits);
}

uint32_t gw_limit_log_max(const struct gw_limit_table *limits)
{
    pthread_mutex_lock(&limits->stripes[0].lock);
    uint32_t log_max = limits->stripes[0].log_max;

    pthread_mutex_unlock(&limits->stripes[0].lock);
    return log_max;
}

void gw_limit_table_stats(struct gw_limit_table *limits, struct gw_zone_stats *stats)
{
    pthread_mutex_lock(&limits->resize);
    *stats = (struct gw_zone_stats){ .max_bytes = limits->max_bytes };
    pthread_mutex_unlock(&limits->resize);
    for (unsigned i = 0; i < limits->stripe_count; i++) {
        struct gw_limit_stripe *stripe = &limits->stripes[i];

        pthread_mutex_lock(&stripe->lock);
        stats->bytes += (size_t)stripe->used * sizeof(union gw_limit_unit) +
                        ((size_t)stripe->mask + 1) * sizeof(uint32_t);
        stats->entries += stripe->cells;
        stats->evicted += stripe->evicted;
        pthread_mutex_unlock(&stripe->lock);
    }
}

/* --- another size --- */

/* Copies a cell with its log; false when there is no room for it. */
static bool copy_cell(const struct gw_limit_stripe *from, const struct gw_limit_cell *cell,
                      struct gw_limit_stripe *to)
{
    uint32_t blocks = blocks_of(cell);

    if (to->size - to->fresh < blocks + 1 || blocks > to->log_max / GW_LIMIT_BLOCK_ENTRIES)
        return false;
    struct gw_limit_cell *copy = gw_limit_add(to, cell->hash, 0);
    struct gw_limit_cell fresh = *copy;
    uint32_t *link = &copy->head;

    *copy = *cell;
    copy->next = fresh.next;
    copy->older = fresh.older;
    copy->newer = fresh.newer;
    copy->head = copy->tail = 0;
    for (uint32_t i = cell->head; blocks; blocks--, i = from->units[i].block.next) {
        uint32_t unit = gw_limit_unit_new(to, 0);

        to->units[unit].block = from->units[i].block;
        *link = copy->tail = unit;
        link = &to->units[unit].block.next;
    }
    return true;
}

/* The newest cells that have room in it, in their order. */
static void move_cells(struct gw_limit_stripe *from, struct gw_limit_stripe *to)
{
    uint32_t room = to->size - 1, last = 0;

    for (uint32_t i = from->newest; i; i = cell_at(from, i)->older) {
        uint32_t wanted = 1 + blocks_of(cell_at(from, i));

        if (wanted > room)
            break;
        room -= wanted;
        last = i;
    }
    for (uint32_t i = last; i; i = cell_at(from, i)->newer)
        if (!copy_cell(from, cell_at(from, i), to))
            to->evicted++;
    for (uint32_t i = last ? cell_at(from, last)->older : 0; i; i = cell_at(from, i)->older)
        to->evicted++;
}

static void resize_stripe(struct gw_limit_stripe *stripe, size_t bytes)
{
    struct gw_limit_stripe old, other = { 0 };

    stripe_init(&other, bytes);
    pthread_mutex_lock(&stripe->lock);
    old = *stripe;
    move_cells(&old, &other);
    stripe->units = other.units;
    stripe->buckets = other.buckets;
    stripe->mask = other.mask;
    stripe->size = other.size;
    stripe->fresh = other.fresh;
    stripe->free = other.free;
    stripe->oldest = other.oldest;
    stripe->newest = other.newest;
    stripe->used = other.used;
    stripe->cells = other.cells;
    stripe->log_max = other.log_max;
    stripe->evicted += other.evicted;
    pthread_mutex_unlock(&stripe->lock);
    stripe_deinit(&old);
}

static void resize(struct gw_limit_table *limits, size_t max_bytes)
{
    pthread_mutex_lock(&limits->resize);
    bool other = max_bytes != limits->max_bytes;

    limits->max_bytes = max_bytes;
    for (unsigned i = 0; other && i < limits->stripe_count; i++)
        resize_stripe(&limits->stripes[i], stripe_bytes(limits, max_bytes));
    pthread_mutex_unlock(&limits->resize);
}

/* --- as a zone --- */

struct gw_limit_table *gw_limit_table_of_zone(struct gw_zone *zone)
{
    GW_ASSERT(zone->kind == &gw_limit_table_kind);
    return container_of(zone, struct gw_limit_table, zone);
}

static struct gw_zone *make_zone(const void *options)
{
    const size_t *max_bytes = options;

    return &gw_limit_table_new(*max_bytes)->zone;
}

static void apply_zone(struct gw_zone *zone, const void *options)
{
    const size_t *max_bytes = options;

    resize(gw_limit_table_of_zone(zone), *max_bytes);
}

static void zone_stats(struct gw_zone *zone, struct gw_zone_stats *stats)
{
    gw_limit_table_stats(gw_limit_table_of_zone(zone), stats);
}

static void free_zone(struct gw_zone *zone)
{
    gw_limit_table_free(gw_limit_table_of_zone(zone));
}

const struct gw_zone_kind gw_limit_table_kind = {
    .name = "limit",
    .make = make_zone,
    .apply = apply_zone,
    .stats = zone_stats,
    .destroy = free_zone,
};
