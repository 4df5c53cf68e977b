#include "policy/dict.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "policy/dict_private.h"

/* --- the dictionary as a zone --- */

struct gw_dict *gw_dict_new(size_t max_bytes)
{
    struct gw_dict *dict = gw_alloc_zero(sizeof(*dict));

    dict->table = gw_table_new(max_bytes, gw_dict_entry_free);
    return dict;
}

void gw_dict_free(struct gw_dict *dict)
{
    gw_table_free(dict->table);
    gw_free(dict);
}

struct gw_dict *gw_dict_of_zone(struct gw_zone *zone)
{
    GW_ASSERT(zone->kind == &gw_dict_kind);
    return container_of(zone, struct gw_dict, zone);
}

void gw_dict_stats(struct gw_dict *dict, struct gw_zone_stats *stats)
{
    struct gw_table_stats found = gw_table_stats(dict->table);

    *stats = (struct gw_zone_stats){
        .bytes = found.bytes,
        .max_bytes = found.max_bytes,
        .entries = found.entries,
        .evicted = found.evicted,
    };
}

static struct gw_zone *make_zone(const void *options)
{
    const size_t *max_bytes = options;

    return &gw_dict_new(*max_bytes)->zone;
}

static void apply_zone(struct gw_zone *zone, const void *options)
{
    const size_t *max_bytes = options;

    gw_table_resize(gw_dict_of_zone(zone)->table, *max_bytes);
}

static void zone_stats(struct gw_zone *zone, struct gw_zone_stats *stats)
{
    gw_dict_stats(gw_dict_of_zone(zone), stats);
}

static void free_zone(struct gw_zone *zone)
{
    gw_dict_free(gw_dict_of_zone(zone));
}

const struct gw_zone_kind gw_dict_kind = {
    .name = "dict",
    .make = make_zone,
    .apply = apply_zone,
    .stats = zone_stats,
    .destroy = free_zone,
};

/* --- one key --- */

enum gw_dict_result gw_dict_get(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                struct gw_dict_got *got)
{
    enum gw_dict_result result = GW_DICT_MISSING;
    struct gw_table_place place;

    got->type = GW_DICT_NOTHING;
    got->blob = NULL;
    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    if (place.entry) {
        const struct gw_dict_entry *entry = gw_dict_entry(place.entry);

        result = GW_DICT_WRONG_TYPE;
        if (entry->content.type != GW_DICT_LIST) {
            gw_dict_content_get(&entry->content, entry->data + key.len, got);
            result = GW_DICT_FINE;
        }
    }
    gw_table_unlock(&place);
    return result;
}

static enum gw_dict_result may_put(enum gw_dict_when when, bool there)
{
    switch (when) {
    case GW_DICT_ALWAYS:
        break;
    case GW_DICT_IF_MISSING:
        return there ? GW_DICT_EXISTS : GW_DICT_FINE;
    case GW_DICT_IF_THERE:
        return there ? GW_DICT_FINE : GW_DICT_MISSING;
    }
    return GW_DICT_FINE;
}

/* A fresh entry that nobody took. */
static void drop(struct gw_dict *dict, struct gw_dict_entry *entry)
{
    gw_table_give_back(dict->table, entry->base.bytes);
    gw_dict_entry_free(&entry->base);
}

enum gw_dict_result gw_dict_set(struct gw_dict *dict, enum gw_dict_when when, struct gw_slice key,
                                const struct gw_dict_value *value, uint64_t ttl_us, uint64_t now_us)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    if (!gw_table_reserve(dict->table, gw_dict_entry_cost(key, value), now_us))
        return GW_DICT_TOO_LARGE;
    struct gw_dict_entry *entry = gw_dict_entry_new(key, value);

    entry->base.expires_us = ttl_us ? now_us + ttl_us : 0;
    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result result = may_put(when, place.entry);

    if (result == GW_DICT_FINE)
        gw_table_put(&place, &entry->base);
    gw_table_unlock(&place);
    if (result != GW_DICT_FINE)
        drop(dict, entry);
    return result;
}

/* MISSING when there is nothing to add to. */
static enum gw_dict_result add_to(struct gw_table_place *place, double by, double *result)
{
    if (!place->entry)
        return GW_DICT_MISSING;
    struct gw_dict_entry *entry = gw_dict_entry(place->entry);

    if (entry->content.type != GW_DICT_NUMBER)
        return GW_DICT_WRONG_TYPE;
    entry->content.number += by;
    *result = entry->content.number;
    return GW_DICT_FINE;
}

/* Nothing was there. Somebody else may have been faster, then it is added to theirs. */
static enum gw_dict_result begin(struct gw_dict *dict, struct gw_slice key, double by,
                                 const double *first, uint64_t ttl_us, uint64_t now_us,
                                 double *result)
{
    struct gw_dict_value value = { .type = GW_DICT_NUMBER, .number = *first + by };
    struct gw_table_place place;

    if (!gw_table_reserve(dict->table, gw_dict_entry_cost(key, &value), now_us))
        return GW_DICT_TOO_LARGE;
    struct gw_dict_entry *entry = gw_dict_entry_new(key, &value);

    entry->base.expires_us = ttl_us ? now_us + ttl_us : 0;
    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result found = add_to(&place, by, result);
    bool put = found == GW_DICT_MISSING;

    if (put)
        gw_table_put(&place, &entry->base);
    gw_table_unlock(&place);
    if (!put) {
        drop(dict, entry);
        return found;
    }
    *result = value.number;
    return GW_DICT_FINE;
}

enum gw_dict_result gw_dict_incr(struct gw_dict *dict, struct gw_slice key, double by,
                                 const double *first, uint64_t ttl_us, uint64_t now_us,
                                 double *result)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    enum gw_dict_result found = add_to(&place, by, result);

    gw_table_unlock(&place);
    if (found == GW_DICT_MISSING && first)
        return begin(dict, key, by, first, ttl_us, now_us, result);
    return found;
}

enum gw_dict_result gw_dict_remove(struct gw_dict *dict, struct gw_slice key, uint64_t now_us)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    bool there = place.entry;

    if (there)
        gw_table_remove(&place);
    gw_table_unlock(&place);
    return there ? GW_DICT_FINE : GW_DICT_MISSING;
}

enum gw_dict_result gw_dict_ttl(struct gw_dict *dict, struct gw_slice key, uint64_t now_us,
                                uint64_t *left_us)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    bool there = place.entry;

    if (there)
        *left_us = place.entry->expires_us ? place.entry->expires_us - now_us : 0;
    gw_table_unlock(&place);
    return there ? GW_DICT_FINE : GW_DICT_MISSING;
}

enum gw_dict_result gw_dict_expire(struct gw_dict *dict, struct gw_slice key, uint64_t ttl_us,
                                   uint64_t now_us)
{
    struct gw_table_place place;

    if (gw_dict_key_is_bad(key))
        return GW_DICT_BAD_KEY;
    gw_table_lock(dict->table, key, now_us, &place);
    bool there = place.entry;

    if (there)
        place.entry->expires_us = ttl_us ? now_us + ttl_us : 0;
    gw_table_unlock(&place);
    return there ? GW_DICT_FINE : GW_DICT_MISSING;
}

/* --- all keys --- */

struct collecting {
    struct gw_buf *out;
    size_t count, max;
    uint64_t now_us;
};

static void collect_key(struct gw_table_entry *entry, void *ctx)
{
    struct collecting *collecting = ctx;
    uint32_t len = (uint32_t)entry->key.len;

    if (collecting->count == collecting->max ||
        (entry->expires_us && entry->expires_us <= collecting->now_us))
        return;
    char *at = gw_buf_reserve(collecting->out, sizeof(len) + len);

    if (!at) {
        collecting->max = collecting->count;
        return;
    }
    memcpy(at, &len, sizeof(len));
    memcpy(at + sizeof(len), entry->key.ptr, len);
    collecting->out->len += sizeof(len) + len;
    collecting->count++;
}

size_t gw_dict_keys(struct gw_dict *dict, size_t max, uint64_t now_us, struct gw_buf *out)
{
    struct collecting collecting = { .out = out, .max = max, .now_us = now_us };
    struct gw_table_cursor cursor = { 0 };

    while (collecting.count < collecting.max &&
           gw_table_walk(dict->table, &cursor, collect_key, &collecting))
        ;
    return collecting.count;
}

void gw_dict_flush(struct gw_dict *dict)
{
    gw_table_clear(dict->table);
}
