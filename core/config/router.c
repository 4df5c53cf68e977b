/* Looking a route up. The request's host leads to a few trees (its own, those of wildcards that
 * fit, that of routes without hosts), the request's path leads through each, and every node on the
 * way holds rules in order. Rules that are decided by comparing are tried first, so that a regex
 * runs only where it could still win. */
#include "config/router_rules.h"

#include "base/log.h"

#include <stdio.h>

#define PATTERN_NODES 32 /* nodes with patterns that are kept for later; more are tried at once */

/* --- Walking --- */

static void walk_tree(const struct gw_path_node *node, struct gw_slice path,
                      struct gw_router_visit *visit)
{
    size_t depth = 0;

    while (node) {
        visit->work++;
        if (node->plain.first || node->patterns.first)
            visit->visit(visit, node, depth);
        node = gw_path_node_next(node, path, depth);
        if (node)
            depth += node->label.len;
    }
}

static bool has_length(const uint64_t lengths[4], size_t len)
{
    return len < 256 && (lengths[len / 64] >> (len % 64) & 1);
}

static void walk_named(const struct gw_map *map, struct gw_slice host, struct gw_slice path,
                       struct gw_router_visit *visit)
{
    visit->work++;
    const struct gw_path_node *root = gw_map_get(map, host);

    if (root)
        walk_tree(root, path, visit);
}

void gw_router_walk(const struct gw_router *router, enum gw_host_kind kind, struct gw_slice host,
                    struct gw_slice path, struct gw_router_visit *visit)
{
    bool suffixes = kind == GW_HOST_EXACT || kind == GW_HOST_SUFFIX;
    bool prefixes = kind == GW_HOST_EXACT || kind == GW_HOST_PREFIX;
    size_t first = kind == GW_HOST_EXACT ? 1 : 0; /* "*" stands for at least one byte */

    if (kind == GW_HOST_EXACT && router->hosts.count && host.len)
        walk_named(&router->hosts, host, path, visit);
    for (size_t i = first; suffixes && router->suffixes.count && i < host.len; i++) {
        if (host.ptr[i] == '.' && has_length(router->suffix_lengths, host.len - i))
            walk_named(&router->suffixes, gw_slice_skip(host, i), path, visit);
    }
    for (size_t i = 1; prefixes && router->prefixes.count && i + first <= host.len; i++) {
        if (host.ptr[i - 1] == '.' && has_length(router->prefix_lengths, i))
            walk_named(&router->prefixes, gw_slice(host.ptr, i), path, visit);
    }
    walk_tree(&router->any_host, path, visit);
}

/* --- One rule --- */

/* "/users" fits "/users" and "/users/1", but "/usersx" only where path_match is prefix. */
bool gw_prefix_ends_well(const struct gw_path *prefix, struct gw_slice path)
{
    size_t len = prefix->literal.len;

    return !prefix->whole_segments || path.len == len || path.ptr[len] == '/' ||
           path.ptr[len - 1] == '/';
}

static bool plain_path_fits(const struct gw_path *path, struct gw_slice subject, size_t depth)
{
    switch (path->kind) {
    case GW_PATH_PREFIX:
        return gw_prefix_ends_well(path, subject);
    case GW_PATH_EXACT:
        return depth == subject.len;
    case GW_PATH_ANY:
    case GW_PATH_TEMPLATE:
    case GW_PATH_REGEX:
        return true;
    }
    return false;
}

static bool regex_path_fits(const struct gw_rule *rule, struct gw_slice subject,
                            struct gw_route_match *match)
{
    struct gw_regex *regex = rule->path->regex;
    const struct gw_regex_name *names;
    size_t matched = 0;

    match->work++;
    switch (gw_regex_match(regex, subject, &matched)) {
    case GW_REGEX_NO:
        return false;
    case GW_REGEX_GAVE_UP:
        match->regex_errors++;
        if (gw_regex_complain(regex))
            gw_warn(
                "route %.*s: a path of %zu bytes made \"%.*s\" give up at its limit, so it did not "
                "match (simplify the pattern; said once)",
                GW_SLICE_ARG(rule->matcher->route->name), subject.len,
                GW_SLICE_ARG(rule->path->text));
        return false;
    case GW_REGEX_YES:
        break;
    }
    match->matched = matched;
    match->capture_count = gw_regex_names(regex, &names);
    for (unsigned i = 0; i < match->capture_count; i++) {
        match->captures[i].name = names[i].name;
        match->captures[i].value = gw_regex_group(regex, subject, names[i].group);
    }
    return true;
}

bool gw_rule_fits(const struct gw_rule *rule, const struct gw_route_query *query, size_t depth,
                  struct gw_route_match *match)
{
    const struct gw_path *path = rule->path;

    match->work++;
    if (!plain_path_fits(path, query->path, depth) || !gw_connection_fits(rule->matcher, query) ||
        !gw_conditions_hold(rule->matcher, query, match))
        return false;
    if (path->kind == GW_PATH_REGEX)
        return regex_path_fits(rule, query->path, match);
    if (path->kind == GW_PATH_TEMPLATE) {
        if (!gw_path_template_match(path, query->path, match))
            return false;
        match->matched = query->path.len;
        return true;
    }
    match->matched = path->literal.len;
    match->capture_count = 0;
    return true;
}

/* --- The best rule --- */

struct search {
    struct gw_router_visit visit;
    const struct gw_route_query *query;
    struct gw_route_match *match;
    const struct gw_rule *best;
    bool any_method;
    const struct gw_path_node *pattern_nodes[PATTERN_NODES];
    size_t pattern_depths[PATTERN_NODES];
    unsigned pattern_count;
};

static void try_rules(struct search *search, const struct gw_rule_list *rules, size_t depth)
{
    for (const struct gw_rule *rule = rules->first; rule; rule = rule->next) {
        if (search->best && rule->order > search->best->order)
            return;
        search->match->work++;
        if (!search->any_method && !gw_method_fits(rule->matcher, search->query->method))
            continue;
        if (gw_rule_fits(rule, search->query, depth, search->match)) {
            search->best = rule;
            return;
        }
    }
}

static void on_node(struct gw_router_visit *visit, const struct gw_path_node *node, size_t depth)
{
    struct search *search = container_of(visit, struct search, visit);

    try_rules(search, &node->plain, depth);
    if (!node->patterns.first)
        return;
    if (search->pattern_count == PATTERN_NODES) {
        try_rules(search, &node->patterns, depth);
        return;
    }
    search->pattern_nodes[search->pattern_count] = node;
    search->pattern_depths[search->pattern_count++] = depth;
}

static const struct gw_rule *find_best(const struct gw_router *router,
                                       const struct gw_route_query *query, bool any_method,
                                       struct gw_route_match *match)
{
    struct search search = {
        .visit.visit = on_node, .query = query, .match = match, .any_method = any_method
    };

    gw_router_walk(router, GW_HOST_EXACT, query->host, query->path, &search.visit);
    for (unsigned i = 0; i < search.pattern_count; i++)
        try_rules(&search, &search.pattern_nodes[i]->patterns, search.pattern_depths[i]);
    match->work += search.visit.work;
    return search.best;
}

void gw_router_match(const struct gw_router *router, const struct gw_route_query *query,
                     struct gw_route_match *match)
{
    match->route = NULL;
    match->matched = 0;
    match->capture_count = 0;
    match->method_mismatch = false;
    match->regex_errors = 0;
    match->work = 0;
    const struct gw_rule *best = find_best(router, query, false, match);

    if (best) {
        match->route = best->matcher->route;
        return;
    }
    match->method_mismatch = router->has_methods && find_best(router, query, true, match);
    match->matched = 0;
    match->capture_count = 0;
}

bool gw_router_needs_headers(const struct gw_router *router)
{
    return router->needs_headers;
}

bool gw_router_needs_client(const struct gw_router *router)
{
    return router->needs_client;
}

bool gw_router_needs_query(const struct gw_router *router)
{
    return router->needs_query;
}
