#pragma once
/* A hash map from bytes to pointers. The hash is seeded (attacks: hash flooding); keys are borrowed
 * and must live as long as their entry. Not thread-safe. */
#include "base/slice.h"

struct gw_map_entry {
    struct gw_slice key;
    void *value; /* NULL: the place is free */
    uint64_t hash;
};

struct gw_map {
    struct gw_map_entry *entries; /* capacity is a power of two, 0 before the first put */
    size_t capacity;
    size_t count;
    uint64_t seed;
};

void gw_map_init(struct gw_map *map);
void gw_map_deinit(struct gw_map *map);

/* NULL when the key is not there. */
void *gw_map_get(const struct gw_map *map, struct gw_slice key);

/* Returns the value that stood there before, or NULL. `value` must not be NULL. */
void *gw_map_put(struct gw_map *map, struct gw_slice key, void *value);

/* Returns the value that was taken out, or NULL. */
void *gw_map_remove(struct gw_map *map, struct gw_slice key);

/* Iteration in no order: start with *at = 0; NULL at the end. The map must not change meanwhile. */
struct gw_map_entry *gw_map_next(const struct gw_map *map, size_t *at);

/* A seeded hash of bytes, good enough against chosen keys while the seed stays unknown. */
uint64_t gw_hash(uint64_t seed, const void *bytes, size_t len);
