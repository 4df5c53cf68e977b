/* Routes from text, then questions: the router with all of them answers as its first route does
 * that would take the request alone. Lines are "PATH HOST METHOD" (a route) or "? PATH HOST
 * METHOD". */
#include "fuzz.h"

#include "config/build.h"
#include "config/router.h"
#include "http/uri.h"

#define ROUTES_MAX 8
#define QUESTIONS_MAX 8

struct rule {
    struct gw_slice path, host, method;
};

static bool describe(struct gw_build *build, unsigned index, const struct rule *rule)
{
    if (gw_build_route_path(build, index, rule->path.ptr, rule->path.len, true))
        return false;
    if (rule->host.len && gw_build_route_host(build, index, rule->host.ptr, rule->host.len))
        return false;
    return !rule->method.len ||
           !gw_build_route_method(build, index, rule->method.ptr, rule->method.len);
}

/* NULL when one of the rules is refused. */
static struct gw_config *make(const struct rule *rules, unsigned count)
{
    struct gw_build *build = gw_build_new();
    struct gw_config *config = NULL;
    bool good = true;

    gw_build_routes(build, count);
    for (unsigned i = 0; good && i < count; i++)
        good = describe(build, i, &rules[i]);
    if (good) {
        gw_build_router(build);
        config = gw_build_take(build);
    }
    gw_build_free(build);
    return config;
}

static void ask(struct gw_config *all, struct gw_config **alone, unsigned count,
                const struct gw_route_query *query)
{
    struct gw_route_match match = { 0 };
    struct gw_route_candidate candidate;
    const struct gw_route *expected = NULL;
    bool fits[ROUTES_MAX];

    for (unsigned i = 0; i < count; i++) {
        struct gw_route_match one = { 0 };

        gw_router_match(alone[i]->router, query, &one);
        fits[i] = one.route != NULL;
        if (one.regex_errors)
            return;
    }
    for (unsigned at = 0; !expected && gw_router_rule_at(all->router, at, &candidate); at++)
        if (fits[candidate.route->index])
            expected = candidate.route;
    gw_router_match(all->router, query, &match);
    FUZZ_CHECK(match.route == expected, "route %d instead of %d for %.*s",
               match.route ? (int)match.route->index : -1, expected ? (int)expected->index : -1,
               GW_SLICE_ARG(query->path));

    size_t found = gw_router_explain(all->router, query, &candidate, 1);

    FUZZ_CHECK((found > 0) == (expected != NULL), "explained %zu", found);
    FUZZ_CHECK(!found || candidate.route == expected, "explained otherwise");
    FUZZ_CHECK(!match.route || match.matched <= query->path.len, "matched %zu", match.matched);
    for (unsigned i = 0; i < match.capture_count; i++)
        FUZZ_CHECK(match.captures[i].value.len <= query->path.len, "capture");
}

GW_FUZZ_TARGET(router)
{
    char *owned;
    struct gw_arena *arena = gw_arena_new();
    struct gw_slice rest = fuzz_copy(data, size, &owned), line;
    struct rule rules[ROUTES_MAX];
    struct gw_config *alone[ROUTES_MAX], *all;
    struct gw_route_query questions[QUESTIONS_MAX];
    unsigned count = 0, asked = 0;

    while (gw_slice_next(&rest, '\n', &line)) {
        struct rule rule = { 0 };
        bool question = line.len && line.ptr[0] == '?';

        if (question)
            line = gw_slice_trim(gw_slice_skip(line, 1));
        if (!gw_slice_next(&line, ' ', &rule.path) || !rule.path.len)
            continue;
        if (gw_slice_next(&line, ' ', &rule.host))
            gw_slice_next(&line, ' ', &rule.method);
        if (question && asked < QUESTIONS_MAX) {
            struct gw_route_query query = { .method = rule.method, .host = rule.host };

            if (gw_uri_normalise_path(rule.path, arena, &query.path) == GW_OK)
                questions[asked++] = query;
        } else if (!question && count < ROUTES_MAX && (alone[count] = make(&rule, 1))) {
            rules[count++] = rule;
        }
    }
    all = count ? make(rules, count) : NULL;
    FUZZ_CHECK(!count || all, "good alone, refused together");
    for (unsigned i = 0; all && i < asked; i++)
        ask(all, alone, count, &questions[i]);
    for (unsigned i = 0; i < count; i++)
        gw_config_unref(alone[i]);
    gw_config_unref(all);
    gw_arena_free(arena);
    free(owned);
    return 0;
}
