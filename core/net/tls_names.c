#include "net/tls_names.h"

#include "base/alloc.h"

void gw_tls_names_init(struct gw_tls_names *names)
{
    gw_map_init(&names->map);
}

void gw_tls_names_deinit(struct gw_tls_names *names)
{
    struct gw_map_entry *entry;

    for (size_t at = 0; (entry = gw_map_next(&names->map, &at));)
        gw_free((char *)entry->key.ptr); /* ours: see gw_tls_names_enter() */
    gw_map_deinit(&names->map);
}

struct gw_slice gw_tls_name_tidy(struct gw_slice name, char out[GW_TLS_NAME_MAX])
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len > GW_TLS_NAME_MAX)
        return GW_SLICE_EMPTY;
    for (size_t i = 0; i < name.len; i++)
        out[i] = gw_lower(name.ptr[i]);
    return gw_slice(out, name.len);
}

void gw_tls_names_enter(struct gw_tls_names *names, struct gw_slice name, void *value)
{
    char text[GW_TLS_NAME_MAX];

    name = gw_tls_name_tidy(name, text);
    if (gw_map_get(&names->map, name))
        return;
    gw_map_put(&names->map, gw_slice(gw_strndup(text, name.len), name.len), value);
}

/* "*" and what follows the first label; empty: that was the last one. */
static struct gw_slice widen(struct gw_slice name, char out[GW_TLS_NAME_MAX + 1])
{
    const char *dot = name.len ? memchr(name.ptr + 1, '.', name.len - 1) : NULL;
    size_t len = dot ? name.len - (size_t)(dot - name.ptr) : 0;

    if (!dot)
        return GW_SLICE_EMPTY;
    out[0] = '*';
    memmove(out + 1, dot, len);
    return gw_slice(out, len + 1);
}

void *gw_tls_names_find(const struct gw_tls_names *names, struct gw_slice name)
{
    char wildcard[GW_TLS_NAME_MAX + 1];
    void *found = name.len ? gw_map_get(&names->map, name) : NULL;

    if (found)
        return found;
    name = widen(name, wildcard);
    return name.len ? gw_map_get(&names->map, name) : NULL;
}

void *gw_tls_names_find_deep(const struct gw_tls_names *names, struct gw_slice name)
{
    char wildcard[GW_TLS_NAME_MAX + 1];
    void *found = name.len ? gw_map_get(&names->map, name) : NULL;

    while (!found &&
           (name = widen(gw_slice_skip(name, name.len && name.ptr[0] == '*'), wildcard)).len)
        found = gw_map_get(&names->map, name);
    return found;
}
