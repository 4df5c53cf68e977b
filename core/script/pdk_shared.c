/* moongate.shared: dictionaries as zones of the process, in Lua's units. */
#include "base/alloc.h"
#include "base/buf.h"
#include "script/modules.h"
#include "script/state.h"

#include <math.h>

#define KEYS_MAX_BYTES (64 * 1024 * 1024)
#define FOR_EVER_S 1e9 /* longer times to live, thirty years, are for ever */

/* --- zones of a script --- */

static struct gw_declared_zone *find_declared(struct gw_script *script, const struct gw_zone *zone)
{
    for (unsigned i = 0; i < script->declared_zone_count; i++)
        if (script->declared_zones[i].zone == zone)
            return &script->declared_zones[i];
    return NULL;
}

void gw_script_declare_zone(struct gw_script *script, struct gw_zone *zone, size_t bytes)
{
    struct gw_declared_zone *known = find_declared(script, zone);

    if (known) { /* one hold is enough */
        gw_zone_release(zone);
        return;
    }
    script->declared_zones =
        gw_realloc(script->declared_zones,
                   (script->declared_zone_count + 1) * sizeof(script->declared_zones[0]));
    script->declared_zones[script->declared_zone_count++] =
        (struct gw_declared_zone){ zone, bytes };
}

void gw_script_apply_zones(struct gw_script *script)
{
    for (unsigned i = 0; i < script->declared_zone_count; i++) {
        struct gw_declared_zone *declared = &script->declared_zones[i];

        declared->zone->kind->apply(declared->zone, &declared->bytes);
    }
}

void gw_script_release_zones(struct gw_script *script)
{
    for (unsigned i = 0; i < script->declared_zone_count; i++)
        gw_zone_release(script->declared_zones[i].zone);
    gw_free(script->declared_zones);
    script->declared_zones = NULL;
    script->declared_zone_count = 0;
    if (script->owns_zones)
        gw_zones_free(script->zones);
    script->zones = NULL;
}

struct gw_dict *gw_pdk_dict(struct gw_script *script, const char *name, size_t len, double bytes,
                            const char **other_kind)
{
    size_t size = (size_t)bytes;
    struct gw_zone *zone =
        gw_zone_acquire(script->zones, gw_slice(name, len), &gw_dict_kind, &size, other_kind);

    if (!zone)
        return NULL;
    gw_script_declare_zone(script, zone, size);
    return gw_dict_of_zone(zone);
}

/* --- in Lua's units --- */

static uint64_t now_us(const struct gw_script *script)
{
    return script->loop ? script->loop->clock.now_us : gw_script_clock(script).now_us;
}

/* Not 0 for a short time: that would be for ever. */
static uint64_t to_us(double seconds)
{
    return seconds <= 0 || seconds > FOR_EVER_S ? 0 : (uint64_t)ceil(seconds * 1e6);
}

static struct gw_dict_value text_value(const char *text, size_t len)
{
    return (struct gw_dict_value){ .type = GW_DICT_STRING, .ptr = text, .len = len };
}

static struct gw_dict_value number_value(int type, double number)
{
    return (struct gw_dict_value){ .type = type, .number = number };
}

int gw_pdk_dict_get(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    struct gw_dict_got *got)
{
    return (int)gw_dict_get(dict, gw_slice(key, len), now_us(script), got);
}

int gw_pdk_dict_pop(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    int first, struct gw_dict_got *got)
{
    return (int)gw_dict_pop(dict, gw_slice(key, len), first, now_us(script), got);
}

void gw_pdk_dict_release(struct gw_dict_got *got)
{
    gw_dict_got_release(got);
}

static int set(struct gw_script *script, struct gw_dict *dict, int when, struct gw_slice key,
               struct gw_dict_value value, double ttl)
{
    return (int)gw_dict_set(dict, (enum gw_dict_when)when, key, &value, to_us(ttl), now_us(script));
}

int gw_pdk_dict_set_text(struct gw_script *script, struct gw_dict *dict, int when, const char *key,
                         size_t len, const char *text, size_t text_len, double ttl)
{
    return set(script, dict, when, gw_slice(key, len), text_value(text, text_len), ttl);
}

int gw_pdk_dict_set_number(struct gw_script *script, struct gw_dict *dict, int when,
                           const char *key, size_t len, int type, double number, double ttl)
{
    return set(script, dict, when, gw_slice(key, len), number_value(type, number), ttl);
}

int gw_pdk_dict_incr(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                     double by, int has_first, double first, double ttl, struct gw_dict_got *got)
{
    return (int)gw_dict_incr(dict, gw_slice(key, len), by, has_first ? &first : NULL, to_us(ttl),
                             now_us(script), &got->number);
}

int gw_pdk_dict_remove(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len)
{
    return (int)gw_dict_remove(dict, gw_slice(key, len), now_us(script));
}

int gw_pdk_dict_ttl(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                    struct gw_dict_got *got)
{
    uint64_t left_us = 0;
    enum gw_dict_result result = gw_dict_ttl(dict, gw_slice(key, len), now_us(script), &left_us);

    got->number = (double)left_us / 1e6;
    return (int)result;
}

int gw_pdk_dict_expire(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                       double ttl)
{
    return (int)gw_dict_expire(dict, gw_slice(key, len), to_us(ttl), now_us(script));
}

static int push(struct gw_script *script, struct gw_dict *dict, int first, struct gw_slice key,
                struct gw_dict_value value, struct gw_dict_got *got)
{
    uint32_t length = 0;
    enum gw_dict_result result = gw_dict_push(dict, key, first, &value, now_us(script), &length);

    got->number = length;
    return (int)result;
}

int gw_pdk_dict_push_text(struct gw_script *script, struct gw_dict *dict, int first,
                          const char *key, size_t len, const char *text, size_t text_len,
                          struct gw_dict_got *got)
{
    return push(script, dict, first, gw_slice(key, len), text_value(text, text_len), got);
}

int gw_pdk_dict_push_number(struct gw_script *script, struct gw_dict *dict, int first,
                            const char *key, size_t len, int type, double number,
                            struct gw_dict_got *got)
{
    return push(script, dict, first, gw_slice(key, len), number_value(type, number), got);
}

int gw_pdk_dict_length(struct gw_script *script, struct gw_dict *dict, const char *key, size_t len,
                       struct gw_dict_got *got)
{
    uint32_t length = 0;
    enum gw_dict_result result = gw_dict_length(dict, gw_slice(key, len), now_us(script), &length);

    got->number = length;
    return (int)result;
}

void gw_pdk_dict_keys(struct gw_script *script, struct gw_dict *dict, size_t max,
                      struct gw_pdk_keys *keys)
{
    struct gw_buf buf;

    gw_buf_init(&buf, KEYS_MAX_BYTES);
    keys->count = gw_dict_keys(dict, max, now_us(script), &buf);
    keys->data = buf.data;
}

void gw_pdk_keys_free(struct gw_pdk_keys *keys)
{
    gw_free(keys->data);
    keys->data = NULL;
}

void gw_pdk_dict_flush(struct gw_dict *dict)
{
    gw_dict_flush(dict);
}

void gw_pdk_dict_stats(struct gw_dict *dict, struct gw_zone_stats *stats)
{
    gw_dict_stats(dict, stats);
}
