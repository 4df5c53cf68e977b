#include "base/map.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/random.h"

#define FIRST_CAPACITY 16

__extension__ typedef unsigned __int128 uint128;

static uint64_t mix(uint64_t a, uint64_t b)
{
    uint128 product = (uint128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t load(const unsigned char *bytes, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, bytes, len);
    return word;
}

/* Multiply-and-fold over eight bytes at a time (the construction that wyhash and foldhash use),
 * keyed by the seed. */
uint64_t gw_hash(uint64_t seed, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;
    uint64_t hash = seed ^ 0xa0761d6478bd642f;

    for (size_t left = len; left;) {
        size_t step = left < 8 ? left : 8;

        hash = mix(hash ^ load(at, step), 0xe7037ed1a0b428db ^ seed);
        at += step;
        left -= step;
    }
    return mix(hash ^ len, 0x8ebc6af09c88c6e3);
}

void gw_map_init(struct gw_map *map)
{
    *map = (struct gw_map){ 0 };
    gw_random_bytes(&map->seed, sizeof(map->seed));
}

void gw_map_deinit(struct gw_map *map)
{
    gw_free(map->entries);
    *map = (struct gw_map){ 0 };
}

/* The entry with that key, or the free place where it would go. Linear probing; never full. */
static struct gw_map_entry *find(const struct gw_map *map, struct gw_slice key, uint64_t hash)
{
    size_t mask = map->capacity - 1;

    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct gw_map_entry *entry = &map->entries[i];

        if (!entry->value || (entry->hash == hash && gw_slice_equal(entry->key, key)))
            return entry;
    }
}

static void grow(struct gw_map *map)
{
    struct gw_map old = *map;

    map->capacity = old.capacity ? old.capacity * 2 : FIRST_CAPACITY;
    map->entries = gw_alloc_zero(map->capacity * sizeof(*map->entries));
    for (size_t i = 0; i < old.capacity; i++)
        if (old.entries[i].value)
            *find(map, old.entries[i].key, old.entries[i].hash) = old.entries[i];
    gw_free(old.entries);
}

void *gw_map_get(const struct gw_map *map, struct gw_slice key)
{
    if (map->count == 0)
        return NULL;
    return find(map, key, gw_hash(map->seed, key.ptr, key.len))->value;
}

void *gw_map_put(struct gw_map *map, struct gw_slice key, void *value)
{
    GW_ASSERT(value);
    if ((map->count + 1) * 4 > map->capacity * 3)
        grow(map);
    uint64_t hash = gw_hash(map->seed, key.ptr, key.len);
    struct gw_map_entry *entry = find(map, key, hash);
    void *before = entry->value;

    *entry = (struct gw_map_entry){ .key = key, .value = value, .hash = hash };
    if (!before)
        map->count++;
    return before;
}

void *gw_map_remove(struct gw_map *map, struct gw_slice key)
{
    if (map->count == 0)
        return NULL;
    size_t mask = map->capacity - 1;
    struct gw_map_entry *entry = find(map, key, gw_hash(map->seed, key.ptr, key.len));
    void *value = entry->value;

    if (!value)
        return NULL;
    map->count--;
    /* Close the gap: pull back every follower whose own place lies at or before it. */
    size_t gap = (size_t)(entry - map->entries);

    for (size_t i = (gap + 1) & mask; map->entries[i].value; i = (i + 1) & mask) {
        size_t home = map->entries[i].hash & mask;

        if (((i - home) & mask) >= ((i - gap) & mask)) {
            map->entries[gap] = map->entries[i];
            gap = i;
        }
    }
    map->entries[gap] = (struct gw_map_entry){ 0 };
    return value;
}

struct gw_map_entry *gw_map_next(const struct gw_map *map, size_t *at)
{
    while (*at < map->capacity) {
        struct gw_map_entry *entry = &map->entries[(*at)++];

        if (entry->value)
            return entry;
    }
    return NULL;
}
