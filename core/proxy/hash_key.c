#include "proxy/hash_key.h"

#include "base/map.h"
#include "config/config.h"
#include "config/cookie.h"
#include "http/uri.h"
#include "net/loop.h"

#define SEED 0x6d6f6f6e67617465ull

/* ── where keys stand ──────────────────────────────────────────────────────── */

static bool cookie_in(struct gw_slice pairs, struct gw_slice wanted, struct gw_slice *value)
{
    struct gw_slice name;

    while (gw_cookie_next(&pairs, &name, value))
        if (gw_slice_equal(name, wanted))
            return true;
    return false;
}

bool gw_cookie_get(const struct gw_fields *fields, struct gw_slice name, struct gw_slice *value)
{
    for (unsigned i = 0; i < fields->count; i++) {
        if (gw_slice_equal(fields->items[i].name, GW_SLICE("cookie")) &&
            cookie_in(fields->items[i].value, name, value))
            return true;
    }
    return false;
}

static bool argument(const struct gw_exchange *x, struct gw_slice wanted, struct gw_slice *value)
{
    struct gw_slice query = x->request.query, name, text;
    bool has_value;

    while (gw_uri_next_arg(&query, &name, &text, &has_value)) {
        if (!gw_slice_equal(gw_uri_decode(name, true, x->arena), wanted))
            continue;
        *value = gw_uri_decode(text, true, x->arena);
        return true;
    }
    return false;
}

static bool capture(const struct gw_exchange *x, struct gw_slice name, struct gw_slice *value)
{
    for (unsigned i = 0; i < x->capture_count; i++) {
        if (!gw_slice_equal(x->captures[i].name, name))
            continue;
        *value = x->captures[i].value;
        return true;
    }
    return false;
}

/* A new cookie, which the answer carries: the client's next request is on the same target. */
static struct gw_slice make_cookie(struct gw_exchange *x, struct gw_slice name,
                                   struct gw_slice path)
{
    char id[37];

    gw_uuid_v4(&x->loop->random, id);
    gw_edits_add(&x->response_edits, x->arena, GW_EDIT_ADD, GW_SLICE("set-cookie"),
                 gw_arena_printf(x->arena, "%.*s=%s; Path=%.*s; HttpOnly; SameSite=Lax",
                                 GW_SLICE_ARG(name), id, GW_SLICE_ARG(path)));
    return gw_arena_copy(x->arena, gw_slice_from(id));
}

/* ── the key ───────────────────────────────────────────────────────────────── */

static bool consumer_key(const struct gw_exchange *x, struct gw_slice *key)
{
    if (!x->consumer)
        return false;
    *key = x->consumer->id.len ? x->consumer->id : x->consumer->username;
    return true;
}

static bool header_key(const struct gw_exchange *x, struct gw_slice name, struct gw_slice *key)
{
    const struct gw_slice *value = gw_fields_get(&x->request.fields, name);

    if (value)
        *key = *value;
    return value != NULL;
}

static bool find_key(struct gw_exchange *x, const struct gw_balancing *how,
                     const struct gw_hash_source *source, struct gw_slice *key)
{
    switch (source->on) {
    case GW_HASH_NONE:
        return false;
    case GW_HASH_CONSUMER:
        return consumer_key(x, key);
    case GW_HASH_IP:
        *key = x->client_ip;
        return true;
    case GW_HASH_HEADER:
        return header_key(x, source->name, key);
    case GW_HASH_COOKIE:
        if (!gw_cookie_get(&x->request.fields, source->name, key))
            *key = make_cookie(x, source->name, how->cookie_path);
        return true;
    case GW_HASH_PATH:
        *key = x->request.path;
        return true;
    case GW_HASH_QUERY_ARG:
        return argument(x, source->name, key);
    case GW_HASH_URI_CAPTURE:
        return capture(x, source->name, key);
    }
    return false;
}

bool gw_exchange_hash(void *ctx, const struct gw_balancing *how, uint64_t *hash)
{
    struct gw_exchange *x = ctx;
    struct gw_slice key = GW_SLICE_EMPTY;

    for (unsigned i = 0; i < 2; i++) {
        if (!find_key(x, how, &how->hash[i], &key))
            continue;
        *hash = gw_hash(SEED, key.ptr, key.len);
        return true;
    }
    return false;
}

bool gw_exchange_cookie(void *ctx, struct gw_slice name, struct gw_slice *value)
{
    const struct gw_exchange *x = ctx;

    return gw_cookie_get(&x->request.fields, name, value);
}
