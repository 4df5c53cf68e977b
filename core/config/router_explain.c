/* All rules that match a request, not only the best: for `moongate explain` and for the Allow
 * header. */
#include "base/alloc.h"
#include "base/check.h"
#include "config/router_rules.h"

#include <stdio.h>
#include <stdlib.h>

struct collect {
    struct gw_router_visit visit;
    const struct gw_route_query *query;
    bool any_method;
    const struct gw_rule **rules; /* owned */
    size_t count, capacity;
};

static void collect_list(struct collect *collect, const struct gw_rule_list *list, size_t depth)
{
    struct gw_route_match ignored = { .route = NULL };

    for (const struct gw_rule *rule = list->first; rule; rule = rule->next) {
        if (!collect->any_method && !gw_method_fits(rule->matcher, collect->query->method))
            continue;
        if (!gw_rule_fits(rule, collect->query, depth, &ignored))
            continue;
        if (collect->count == collect->capacity) {
            collect->capacity = collect->capacity ? collect->capacity * 2 : 16;
            collect->rules =
                gw_realloc(collect->rules, collect->capacity * sizeof(struct gw_rule *));
        }
        collect->rules[collect->count++] = rule;
    }
}

static void on_node(struct gw_router_visit *visit, const struct gw_path_node *node, size_t depth)
{
    struct collect *collect = container_of(visit, struct collect, visit);

    collect_list(collect, &node->plain, depth);
    collect_list(collect, &node->patterns, depth);
}

static int by_order(const void *a, const void *b)
{
    const struct gw_rule *const *left = a, *const *right = b;

    return ((*left)->order > (*right)->order) - ((*left)->order < (*right)->order);
}

static void collect_rules(struct collect *collect, const struct gw_router *router)
{
    collect->visit.visit = on_node;
    gw_router_walk(router, GW_HOST_EXACT, collect->query->host, collect->query->path,
                   &collect->visit);
    if (collect->count)
        qsort(collect->rules, collect->count, sizeof(struct gw_rule *), by_order);
}

static bool has_route_before(const struct collect *collect, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (collect->rules[i]->matcher == collect->rules[index]->matcher)
            return true;
    }
    return false;
}

size_t gw_router_explain(const struct gw_router *router, const struct gw_route_query *query,
                         struct gw_route_candidate *candidates, size_t max)
{
    struct collect collect = { .query = query };
    size_t count = 0;

    collect_rules(&collect, router);
    for (size_t i = 0; i < collect.count; i++) {
        const struct gw_rule *rule = collect.rules[i];

        if (has_route_before(&collect, i))
            continue;
        if (count < max) {
            struct gw_route_candidate *candidate = &candidates[count];

            candidate->route = rule->matcher->route;
            candidate->path = rule->path->text;
            candidate->host = rule->host_text;
            candidate->why[0] = '\0';
            if (count)
                gw_rule_explain(collect.rules[0], rule, candidate->why, sizeof(candidate->why));
        }
        count++;
    }
    gw_free(collect.rules);
    return count;
}

static void add_text(struct gw_route_candidate *candidate, const char *before, struct gw_slice text)
{
    size_t len = strlen(candidate->why);

    snprintf(candidate->why + len, sizeof(candidate->why) - len, "%s%.*s", len ? before : "",
             GW_SLICE_ARG(text));
}

bool gw_router_rule_at(const struct gw_router *router, unsigned at,
                       struct gw_route_candidate *candidate)
{
    if (at >= router->rule_count)
        return false;
    const struct gw_rule *rule = router->rules[at];
    const struct gw_matcher *matcher = rule->matcher;

    *candidate = (struct gw_route_candidate){ .route = matcher->route,
                                              .path = rule->path->text,
                                              .host = rule->host_text };
    if (matcher->route->https_status)
        add_text(candidate, " ", GW_SLICE("https"));
    if (matcher->http_only)
        add_text(candidate, " ", GW_SLICE("http"));
    if (matcher->route->grpc)
        add_text(candidate, " ", GW_SLICE("grpc"));
    if (matcher->route->clients)
        add_text(candidate, " ", GW_SLICE("client-certificate"));
    for (unsigned i = 0; i < matcher->method_count; i++)
        add_text(candidate, " ", matcher->methods[i]);
    for (unsigned i = 0; i < matcher->sni_count; i++) {
        add_text(candidate, " ", GW_SLICE("sni:"));
        add_text(candidate, "", matcher->snis[i]);
    }
    for (unsigned i = 0; i < matcher->header_count; i++)
        add_text(candidate, " ", matcher->headers[i].name);
    for (unsigned i = 0; i < matcher->argument_count; i++) {
        add_text(candidate, " ", GW_SLICE("?"));
        add_text(candidate, "", matcher->arguments[i].name);
    }
    for (unsigned i = 0; i < matcher->cookie_count; i++) {
        add_text(candidate, " ", GW_SLICE("cookie:"));
        add_text(candidate, "", matcher->cookies[i].name);
    }
    if (matcher->sources)
        add_text(candidate, " ", GW_SLICE("sources"));
    return true;
}

static bool has_item(const char *list, size_t len, struct gw_slice wanted)
{
    struct gw_slice rest = gw_slice(list, len), item;

    while (gw_slice_next(&rest, ',', &item)) {
        if (gw_slice_equal(item, wanted))
            return true;
    }
    return false;
}

static size_t add_method(char *out, size_t size, size_t len, struct gw_slice method)
{
    size_t separator = len ? 2 : 0;

    if (has_item(out, len, method) || len + separator + method.len > size)
        return len;
    memcpy(out + len, ", ", separator);
    memcpy(out + len + separator, method.ptr, method.len);
    return len + separator + method.len;
}

size_t gw_router_allowed_methods(const struct gw_router *router, const struct gw_route_query *query,
                                 char *out, size_t size)
{
    struct collect collect = { .query = query, .any_method = true };
    size_t len = 0;

    collect_rules(&collect, router);
    for (size_t i = 0; i < collect.count; i++) {
        const struct gw_matcher *matcher = collect.rules[i]->matcher;

        for (unsigned k = 0; k < matcher->method_count; k++)
            len = add_method(out, size, len, matcher->methods[k]);
    }
    gw_free(collect.rules);
    return len;
}
