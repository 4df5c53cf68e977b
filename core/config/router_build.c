/* Collects what routes ask for. */
#include "config/router_build.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/check.h"
#include "config/router_rules.h"

#include <assert.h>

static_assert(GW_REGEX_NAMES_MAX <= GW_ROUTE_CAPTURES_MAX, "every named group has its capture");

struct gw_router_build {
    struct gw_router *router;
    bool taken;
    struct gw_router_draft *drafts;
    unsigned count;
    struct gw_router_shadow *shadows;
    unsigned shadow_count;
    char why[256];
};

static const char no_such_route[] = "there is no route of that index";

struct gw_router_build *gw_router_build_new(struct gw_arena *arena, const struct gw_route *routes,
                                            unsigned route_count)
{
    struct gw_router_build *build = gw_alloc_zero(sizeof(*build));

    build->router = gw_alloc_zero(sizeof(*build->router));
    build->router->arena = arena;
    gw_map_init(&build->router->hosts);
    gw_map_init(&build->router->suffixes);
    gw_map_init(&build->router->prefixes);
    build->count = route_count;
    build->drafts = gw_alloc_zero((route_count + 1) * sizeof(*build->drafts));
    for (unsigned i = 0; i < route_count; i++) {
        build->drafts[i].matcher = gw_arena_alloc_zero(arena, sizeof(struct gw_matcher));
        build->drafts[i].matcher->route = &routes[i];
    }
    return build;
}

void gw_router_build_free(struct gw_router_build *build)
{
    if (!build)
        return;
    if (!build->taken)
        gw_router_free(build->router);
    gw_free(build->drafts);
    gw_free(build->shadows);
    gw_free(build);
}

void gw_router_free(struct gw_router *router)
{
    if (!router)
        return;
    for (unsigned i = 0; i < router->regex_count; i++)
        gw_regex_free(router->regexes[i]);
    gw_free(router->regexes);
    for (unsigned i = 0; i < router->source_count; i++)
        gw_cidr_set_free(router->sources[i]);
    gw_free(router->sources);
    gw_free(router->rules);
    gw_map_deinit(&router->hosts);
    gw_map_deinit(&router->suffixes);
    gw_map_deinit(&router->prefixes);
    gw_free(router);
}

/* An array in the arena with room for one more: a new one whenever the count is a power of two. */
static void *with_room(struct gw_arena *arena, void *array, unsigned count, size_t item)
{
    if (count & (count - 1) || (count == 0 && array))
        return array;
    void *larger = gw_arena_alloc(arena, (count ? (size_t)count * 2 : 1) * item);

    if (count)
        memcpy(larger, array, count * item);
    return larger;
}

static struct gw_router_draft *draft_of(struct gw_router_build *build, unsigned route)
{
    GW_ASSERT(!build->taken);
    return route < build->count ? &build->drafts[route] : NULL;
}

/* --- What routes ask for --- */

const char *gw_router_build_method(struct gw_router_build *build, unsigned route,
                                   struct gw_slice method)
{
    struct gw_router_draft *draft = draft_of(build, route);
    struct gw_arena *arena = build->router->arena;

    if (!draft)
        return no_such_route;
    struct gw_matcher *matcher = draft->matcher;

    if (method.len == 0)
        return "a method is empty";
    matcher->methods =
        with_room(arena, matcher->methods, matcher->method_count, sizeof(*matcher->methods));
    matcher->methods[matcher->method_count++] = gw_arena_copy(arena, method);
    return NULL;
}

static const char *check_wildcard(struct gw_slice host)
{
    const char *star = memchr(host.ptr, '*', host.len);

    if (!star)
        return NULL;
    if (memchr(star + 1, '*', host.len - (size_t)(star - host.ptr) - 1))
        return "a host can have one \"*\" only";
    if (host.len >= 3 && star == host.ptr && host.ptr[1] == '.')
        return NULL;
    if (host.len >= 3 && star == host.ptr + host.len - 1 && star[-1] == '.')
        return NULL;
    return "a \"*\" must be the whole first or last label: *.example.com or example.*";
}

const char *gw_router_build_host(struct gw_router_build *build, unsigned route,
                                 struct gw_slice host)
{
    struct gw_router_draft *draft = draft_of(build, route);
    struct gw_arena *arena = build->router->arena;

    if (!draft)
        return no_such_route;
    if (host.len == 0)
        return "a host is empty";
    const char *wrong = check_wildcard(host);

    if (wrong)
        return wrong;
    char *lower = gw_arena_alloc(arena, host.len);

    for (size_t i = 0; i < host.len; i++)
        lower[i] = gw_lower(host.ptr[i]);
    draft->hosts = with_room(arena, draft->hosts, draft->host_count, sizeof(*draft->hosts));
    draft->hosts[draft->host_count++] = gw_slice(lower, host.len);
    return NULL;
}

const char *gw_router_build_sni(struct gw_router_build *build, unsigned route, struct gw_slice name)
{
    struct gw_router_draft *draft = draft_of(build, route);
    struct gw_arena *arena = build->router->arena;

    if (!draft)
        return no_such_route;
    if (name.len == 0)
        return "a server name is empty";
    struct gw_matcher *matcher = draft->matcher;

    matcher->snis = with_room(arena, matcher->snis, matcher->sni_count, sizeof(*matcher->snis));
    matcher->snis[matcher->sni_count++] = gw_arena_copy(arena, name);
    return NULL;
}

const char *gw_router_build_http_only(struct gw_router_build *build, unsigned route)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    draft->matcher->http_only = true;
    return NULL;
}

const char *gw_router_build_path(struct gw_router_build *build, unsigned route,
                                 struct gw_slice path, bool whole_segments)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    struct gw_path parsed = { .whole_segments = whole_segments, .index = draft->path_count };
    const char *wrong = gw_path_parse(build->router, &parsed, path, build->why, sizeof(build->why));

    if (wrong)
        return wrong;
    draft->paths =
        with_room(build->router->arena, draft->paths, draft->path_count, sizeof(*draft->paths));
    draft->paths[draft->path_count++] = parsed;
    return NULL;
}

static struct gw_condition *condition_of(struct gw_arena *arena, struct gw_condition **conditions,
                                         unsigned *count, struct gw_slice name)
{
    for (unsigned i = 0; i < *count; i++) {
        if (gw_slice_equal((*conditions)[i].name, name))
            return &(*conditions)[i];
    }
    *conditions = with_room(arena, *conditions, *count, sizeof(**conditions));
    (*conditions)[*count] = (struct gw_condition){ .name = name };
    return &(*conditions)[(*count)++];
}

static const char *add_value(struct gw_router_build *build, struct gw_condition *condition,
                             struct gw_slice value)
{
    struct gw_arena *arena = build->router->arena;
    struct gw_condition_value parsed = { .text = gw_arena_copy(arena, value) };

    if (!value.ptr)
        return NULL;
    if (gw_slice_starts_with(value, GW_SLICE("~*"))) {
        parsed.regex = gw_router_own_regex(build->router, gw_slice_skip(parsed.text, 2),
                                           GW_REGEX_CASELESS, build->why, sizeof(build->why));
        if (!parsed.regex)
            return build->why;
    }
    condition->values =
        with_room(arena, condition->values, condition->value_count, sizeof(*condition->values));
    condition->values[condition->value_count++] = parsed;
    return NULL;
}

const char *gw_router_build_header(struct gw_router_build *build, unsigned route,
                                   struct gw_slice name, struct gw_slice value)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    char *lower = gw_arena_alloc(build->router->arena, name.len + 1);

    for (size_t i = 0; i < name.len; i++)
        lower[i] = gw_lower(name.ptr[i]);
    return add_value(build,
                     condition_of(build->router->arena, &draft->matcher->headers,
                                  &draft->matcher->header_count, gw_slice(lower, name.len)),
                     value);
}

const char *gw_router_build_argument(struct gw_router_build *build, unsigned route,
                                     struct gw_slice name, struct gw_slice value)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    return add_value(build,
                     condition_of(build->router->arena, &draft->matcher->arguments,
                                  &draft->matcher->argument_count,
                                  gw_arena_copy(build->router->arena, name)),
                     value);
}

const char *gw_router_build_cookie(struct gw_router_build *build, unsigned route,
                                   struct gw_slice name, struct gw_slice value)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    return add_value(build,
                     condition_of(build->router->arena, &draft->matcher->cookies,
                                  &draft->matcher->cookie_count,
                                  gw_arena_copy(build->router->arena, name)),
                     value);
}

static struct gw_cidr_set *own_sources(struct gw_router *router)
{
    if (router->source_count == router->source_capacity) {
        router->source_capacity = router->source_capacity ? router->source_capacity * 2 : 8;
        router->sources =
            gw_realloc(router->sources, router->source_capacity * sizeof(struct gw_cidr_set *));
    }
    return router->sources[router->source_count++] = gw_cidr_set_new();
}

const char *gw_router_build_source(struct gw_router_build *build, unsigned route,
                                   struct gw_slice network)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    if (!draft->matcher->sources)
        draft->matcher->sources = own_sources(build->router);
    if (!gw_slice_equal(network, GW_SLICE("unix:")))
        return gw_cidr_set_add(draft->matcher->sources, network.ptr, network.len);
    gw_cidr_set_add_unix(draft->matcher->sources);
    return NULL;
}

const char *gw_router_build_regex_priority(struct gw_router_build *build, unsigned route,
                                           int32_t priority)
{
    struct gw_router_draft *draft = draft_of(build, route);

    if (!draft)
        return no_such_route;
    draft->matcher->regex_priority = priority;
    return NULL;
}

/* --- The end --- */

static void find_shadows(struct gw_router_build *build)
{
    build->shadows = gw_alloc_zero((build->count + 1) * sizeof(*build->shadows));
    for (unsigned i = 0; i < build->count; i++) {
        unsigned by = 0;

        if (gw_router_draft_shadowed(build->router, &build->drafts[i], &by))
            build->shadows[build->shadow_count++] =
                (struct gw_router_shadow){ .route = i, .by = by };
    }
}

struct gw_router *gw_router_build_take(struct gw_router_build *build)
{
    GW_ASSERT(!build->taken);
    gw_router_index(build->router, build->drafts, build->count);
    find_shadows(build);
    build->taken = true;
    return build->router;
}

unsigned gw_router_build_shadows(const struct gw_router_build *build,
                                 const struct gw_router_shadow **shadows)
{
    *shadows = build->shadows;
    return build->shadow_count;
}
