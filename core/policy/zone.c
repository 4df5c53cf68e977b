#include "policy/zone.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"

#include <pthread.h>

#define ZONES_MAX 1024 /* a plugin that makes up names must meet an end */

struct gw_zones {
    pthread_mutex_t lock;
    struct gw_map by_name;
};

struct gw_zones *gw_zones_new(void)
{
    struct gw_zones *zones = gw_alloc_zero(sizeof(*zones));

    pthread_mutex_init(&zones->lock, NULL);
    gw_map_init(&zones->by_name);
    return zones;
}

void gw_zones_free(struct gw_zones *zones)
{
    GW_ASSERT(zones->by_name.count == 0);
    gw_map_deinit(&zones->by_name);
    pthread_mutex_destroy(&zones->lock);
    gw_free(zones);
}

static struct gw_zone *make(struct gw_zones *zones, struct gw_slice name,
                            const struct gw_zone_kind *kind, const void *options)
{
    struct gw_zone *zone = kind->make(options);

    zone->kind = kind;
    zone->zones = zones;
    zone->name = gw_strndup(name.ptr, name.len);
    gw_map_put(&zones->by_name, gw_slice(zone->name, name.len), zone);
    return zone;
}

static struct gw_zone *find_or_make(struct gw_zones *zones, struct gw_slice name,
                                    const struct gw_zone_kind *kind, const void *options,
                                    const char **other_kind)
{
    struct gw_zone *zone = gw_map_get(&zones->by_name, name);

    if (zone && zone->kind != kind) {
        *other_kind = zone->kind->name;
        return NULL;
    }
    if (!zone && zones->by_name.count >= ZONES_MAX) {
        *other_kind = NULL;
        return NULL;
    }
    return zone ? zone : make(zones, name, kind, options);
}

struct gw_zone *gw_zone_acquire(struct gw_zones *zones, struct gw_slice name,
                                const struct gw_zone_kind *kind, const void *options,
                                const char **other_kind)
{
    pthread_mutex_lock(&zones->lock);
    struct gw_zone *zone = find_or_make(zones, name, kind, options, other_kind);

    if (zone)
        zone->holders++;
    pthread_mutex_unlock(&zones->lock);
    return zone;
}

void gw_zone_release(struct gw_zone *zone)
{
    struct gw_zones *zones = zone->zones;

    pthread_mutex_lock(&zones->lock);
    GW_ASSERT(zone->holders > 0);
    bool last = --zone->holders == 0;

    if (last)
        gw_map_remove(&zones->by_name, gw_slice_from(zone->name));
    pthread_mutex_unlock(&zones->lock);
    if (!last)
        return;
    gw_free(zone->name);
    zone->kind->destroy(zone);
}

void gw_zones_each(struct gw_zones *zones,
                   void (*visit)(const struct gw_zone *zone, const struct gw_zone_stats *stats,
                                 void *ctx),
                   void *ctx)
{
    size_t at = 0;

    pthread_mutex_lock(&zones->lock);
    for (struct gw_map_entry *entry; (entry = gw_map_next(&zones->by_name, &at));) {
        struct gw_zone *zone = entry->value;
        struct gw_zone_stats stats = { 0 };

        zone->kind->stats(zone, &stats);
        visit(zone, &stats, ctx);
    }
    pthread_mutex_unlock(&zones->lock);
}
