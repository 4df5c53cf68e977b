#include "policy/breaker_zone.h"

#include "base/alloc.h"
#include "base/check.h"

struct breaker_zone {
    struct gw_zone zone;
    struct gw_breaker breaker;
};

static struct gw_zone *make(const void *options)
{
    struct breaker_zone *made = gw_alloc_zero(sizeof(*made));

    (void)options;
    gw_breaker_init(&made->breaker);
    return &made->zone;
}

static void apply(struct gw_zone *zone, const void *options)
{
    (void)zone;
    (void)options;
}

static void stats(struct gw_zone *zone, struct gw_zone_stats *stats)
{
    (void)zone;
    *stats = (struct gw_zone_stats){
        .bytes = sizeof(struct breaker_zone),
        .max_bytes = sizeof(struct breaker_zone),
        .entries = 1,
    };
}

static void destroy(struct gw_zone *zone)
{
    struct breaker_zone *made = container_of(zone, struct breaker_zone, zone);

    gw_breaker_deinit(&made->breaker);
    gw_free(made);
}

const struct gw_zone_kind gw_breaker_kind = {
    .name = "breaker",
    .make = make,
    .apply = apply,
    .stats = stats,
    .destroy = destroy,
};

struct gw_breaker *gw_breaker_of_zone(struct gw_zone *zone)
{
    return &container_of(zone, struct breaker_zone, zone)->breaker;
}
