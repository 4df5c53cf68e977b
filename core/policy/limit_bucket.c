/* Token bucket and leaky bucket: one number that grows by itself up to a most. That of the leaky
 * bucket are the places that are free. */
#include "policy/limit_private.h"

#define PICO_OF_MICRO 1000000

static gw_limit_pico level_of(const struct gw_limit_bucket *bucket)
{
    return bucket->level_high * ((gw_limit_pico)1 << 64) + bucket->level_low;
}

static void set_level(struct gw_limit_bucket *bucket, gw_limit_pico level)
{
    bucket->level_low = (uint64_t)level;
    bucket->level_high = (int64_t)(level >> 64);
}

static gw_limit_pico most_of(const struct gw_limit_rule *rule)
{
    return (gw_limit_pico)gw_limit_most(rule) * PICO_OF_MICRO;
}

static void begin(const struct gw_limit_place *place)
{
    set_level(&place->cell->bucket, most_of(place->rule));
    place->cell->bucket.at_us = place->now_us;
}

static void advance(const struct gw_limit_place *place)
{
    struct gw_limit_bucket *bucket = &place->cell->bucket;
    gw_limit_pico most = most_of(place->rule), level = level_of(bucket);

    if (place->now_us > bucket->at_us) {
        level += (gw_limit_pico)(place->now_us - bucket->at_us) * place->rule->rate_micro;
        bucket->at_us = place->now_us;
    }
    set_level(bucket, level > most ? most : level);
}

static int64_t room(const struct gw_limit_place *place)
{
    gw_limit_pico level = level_of(&place->cell->bucket), most = most_of(place->rule);

    if (level > most) /* a rule with a larger one counts here, too */
        level = most;
    if (level >= 0 && level <= INT64_MAX) /* dividing 64 bits is much faster */
        return (int64_t)level / PICO_OF_MICRO;
    if (level < 0)
        level -= PICO_OF_MICRO - 1; /* down */
    return (int64_t)(level / PICO_OF_MICRO);
}

static void charge(const struct gw_limit_place *place, int64_t micro)
{
    struct gw_limit_bucket *bucket = &place->cell->bucket;
    gw_limit_pico most = most_of(place->rule);
    gw_limit_pico least = -(gw_limit_pico)GW_LIMIT_AMOUNT_MAX * PICO_OF_MICRO;
    gw_limit_pico level = level_of(bucket) - (gw_limit_pico)micro * PICO_OF_MICRO;

    if (level > most)
        level = most;
    set_level(bucket, level < least ? least : level);
}

/* Microseconds until the level is there, rounded up. */
static uint64_t until(const struct gw_limit_place *place, gw_limit_pico level)
{
    gw_limit_pico missing = level - level_of(&place->cell->bucket);
    uint64_t rate = place->rule->rate_micro;

    if (missing <= 0)
        return 0;
    if (missing <= INT64_MAX)
        return ((uint64_t)missing - 1) / rate + 1;
    gw_limit_pico us = (missing - 1) / rate + 1;

    return us > INT64_MAX ? INT64_MAX : (uint64_t)us;
}

static uint64_t reset(const struct gw_limit_place *place)
{
    return until(place, most_of(place->rule));
}

static uint64_t retry(const struct gw_limit_place *place, int64_t micro)
{
    return until(place, (gw_limit_pico)micro * PICO_OF_MICRO);
}

const struct gw_limit_algorithm_ops gw_limit_bucket_ops = {
    .begin = begin,
    .advance = advance,
    .room = room,
    .charge = charge,
    .reset = reset,
    .retry = retry,
};
