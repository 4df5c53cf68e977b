#pragma once
/* State that all workers share and every reload keeps, found by name in one registry a process. A
 * zone lives as long as somebody holds it: the scripts of a generation do, so what the next one
 * declares again goes over to it. Shared dictionaries are one kind of zone (policy/dict.h). */
#include "base/slice.h"

struct gw_zones;
struct gw_zone;

struct gw_zone_stats {
    uint64_t bytes, max_bytes; /* held, and the most there may be */
    uint64_t entries;
    uint64_t evicted;         /* had to leave although they had not expired */
    uint64_t waiting, active; /* of gates: requests that wait there, or are inside */
};

struct gw_zone_kind {
    const char *name; /* for messages: "dict" */
    struct gw_zone *(*make)(const void *options);
    /* The generation that serves from now on wants it so; what is in it stays. */
    void (*apply)(struct gw_zone *zone, const void *options);
    void (*stats)(struct gw_zone *zone, struct gw_zone_stats *stats);
    void (*destroy)(struct gw_zone *zone);
};

/* Stands in the struct of each kind. */
struct gw_zone {
    const struct gw_zone_kind *kind;
    struct gw_zones *zones;
    char *name;       /* owned */
    unsigned holders; /* under the registry's lock */
};

struct gw_zones *gw_zones_new(void);

/* All must be released. */
void gw_zones_free(struct gw_zones *zones);

/* The zone of that name (without NUL), made when there is none. Whoever acquires releases. NULL
 * when the name belongs to another kind, whose name is in *other_kind then, or when there are too
 * many zones (it is NULL then). From any thread. */
struct gw_zone *gw_zone_acquire(struct gw_zones *zones, struct gw_slice name,
                                const struct gw_zone_kind *kind, const void *options,
                                const char **other_kind);

/* The last one frees it. */
void gw_zone_release(struct gw_zone *zone);

/* Calls `visit` for each zone, in no order, under the registry's lock. */
void gw_zones_each(struct gw_zones *zones,
                   void (*visit)(const struct gw_zone *zone, const struct gw_zone_stats *stats,
                                 void *ctx),
                   void *ctx);
