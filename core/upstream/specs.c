/* The targets of an upstream as they are configured: with the registry's lock held. */
#include "base/alloc.h"
#include "upstream/registry_private.h"

#include <stdio.h>

void gw_specs_drop(struct gw_upstream *upstream)
{
    for (unsigned i = 0; i < upstream->spec_count; i++) {
        if (upstream->specs[i].name)
            gw_name_drop(upstream->specs[i].name);
        gw_free(upstream->specs[i].host);
    }
    gw_free(upstream->specs);
    upstream->specs = NULL;
    upstream->spec_count = 0;
}

static bool is_default_port(uint16_t port)
{
    return port == 80;
}

/* "localhost" is what Host says of a unix socket: its path is nobody's name. */
static void fill_unix_spec(struct gw_spec *spec, const struct gw_target_config *target)
{
    const struct gw_slice authority = GW_SLICE("localhost");
    size_t len = target->host.len;
    char *text = gw_alloc(len + 1 + authority.len);

    memcpy(text, target->host.ptr, len);
    text[len] = '\0';
    memcpy(text + len + 1, authority.ptr, authority.len);
    spec->host = text;
    spec->authority = gw_slice(text + len + 1, authority.len);
    spec->literal = true;
}

static void fill_spec(struct gw_registry *registry, struct gw_spec *spec,
                      const struct gw_target_config *target)
{
    spec->weight = target->weight;
    spec->priority = target->priority;
    if (gw_slice_starts_with(target->host, GW_SLICE("unix:")) &&
        gw_addr_parse(&spec->addr, target->host)) {
        fill_unix_spec(spec, target);
        return;
    }
    bool bracket = target->host.len && target->host.ptr[0] != '[' &&
                   memchr(target->host.ptr, ':', target->host.len);
    size_t room = 2 * target->host.len + 16;
    char *text = gw_alloc(room);

    memcpy(text, target->host.ptr, target->host.len);
    text[target->host.len] = '\0';
    spec->host = text;

    char *authority = text + target->host.len + 1;
    size_t left = room - target->host.len - 1;
    int len = snprintf(authority, left, bracket ? "[%s]" : "%s", text);

    if (!is_default_port(target->port))
        len += snprintf(authority + len, left - (size_t)len, ":%u", (unsigned)target->port);
    spec->authority = gw_slice(authority, (size_t)len);
    spec->port = target->port;
    spec->literal = gw_addr_parse_ip(&spec->addr, target->host, target->port);
    if (!spec->literal)
        spec->name = gw_name_use(registry, target->host, target->services);
}

void gw_specs_set(struct gw_upstream *upstream, const struct gw_target_config *targets,
                  unsigned count)
{
    struct gw_upstream before = *upstream; /* its names are dropped after the new ones are in use */

    upstream->spec_count = count;
    upstream->specs = count ? gw_alloc_zero(count * sizeof(*upstream->specs)) : NULL;
    for (unsigned i = 0; i < count; i++)
        fill_spec(upstream->registry, &upstream->specs[i], &targets[i]);
    gw_specs_drop(&before);
}
