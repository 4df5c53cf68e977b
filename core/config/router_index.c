/* From what routes ask for to rules in order, in the trees of their hosts. */
#include "base/alloc.h"
#include "base/arena.h"
#include "config/router_rules.h"

#include <stdlib.h>

/* --- Rules --- */

static void set_host(struct gw_rule *rule, struct gw_slice host)
{
    rule->host_text = host;
    rule->host = host;
    rule->host_kind = GW_HOST_EXACT;
    if (host.ptr[0] == '*') {
        rule->host_kind = GW_HOST_SUFFIX;
        rule->host = gw_slice_skip(host, 1);
    } else if (host.ptr[host.len - 1] == '*') {
        rule->host_kind = GW_HOST_PREFIX;
        rule->host.len--;
    }
}

static void weigh(struct gw_router_draft *draft)
{
    struct gw_matcher *matcher = draft->matcher;

    matcher->weight = 0;
    matcher->weight += matcher->method_count > 0;
    matcher->weight += draft->host_count > 0;
    matcher->weight += matcher->header_count > 0;
    matcher->weight += matcher->argument_count > 0;
    matcher->weight += matcher->cookie_count > 0;
    matcher->weight += matcher->sources != NULL;
    matcher->weight += draft->path_count > 0;
    matcher->weight += matcher->sni_count > 0;
    matcher->plain_hosts = draft->host_count > 0;
    for (unsigned i = 0; i < draft->host_count; i++) {
        if (memchr(draft->hosts[i].ptr, '*', draft->hosts[i].len))
            matcher->plain_hosts = false;
    }
}

static void make_rules(struct gw_router *router, struct gw_router_draft *draft)
{
    static const struct gw_path any_path = { .kind = GW_PATH_ANY };
    unsigned hosts = draft->host_count ? draft->host_count : 1;
    unsigned paths = draft->path_count ? draft->path_count : 1;

    weigh(draft);
    if (draft->matcher->weight == 0) /* it asks for nothing: its service is switched off */
        return;
    draft->rule_count = hosts * paths;
    draft->rules = gw_arena_alloc_zero(router->arena, draft->rule_count * sizeof(*draft->rules));
    for (unsigned i = 0; i < draft->rule_count; i++) {
        struct gw_rule *rule = &draft->rules[i];

        rule->matcher = draft->matcher;
        rule->path = draft->path_count ? &draft->paths[i % paths] : &any_path;
        if (draft->host_count)
            set_host(rule, draft->hosts[i / paths]);
    }
    router->rule_count += draft->rule_count;
    router->has_methods |= draft->matcher->method_count > 0;
    router->needs_headers |= draft->matcher->header_count > 0 || draft->matcher->cookie_count > 0;
    router->needs_client |= draft->matcher->sources != NULL;
    if (draft->matcher->sources)
        gw_cidr_set_seal(draft->matcher->sources);
    router->needs_query |= draft->matcher->argument_count > 0;
}

static int by_precedence(const void *a, const void *b)
{
    const struct gw_rule *const *left = a, *const *right = b;

    return gw_rule_compare(*left, *right);
}

static void sort_rules(struct gw_router *router, const struct gw_router_draft *drafts,
                       unsigned count)
{
    unsigned at = 0;

    router->rules = gw_alloc((router->rule_count + (size_t)1) * sizeof(struct gw_rule *));
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < drafts[i].rule_count; k++)
            router->rules[at++] = &drafts[i].rules[k];
    }
    if (router->rule_count)
        qsort(router->rules, router->rule_count, sizeof(struct gw_rule *), by_precedence);
    for (unsigned i = 0; i < router->rule_count; i++)
        router->rules[i]->order = i;
}

/* --- The index --- */

static void note_length(uint64_t lengths[4], size_t len)
{
    if (len < 256)
        lengths[len / 64] |= 1ull << (len % 64);
}

static struct gw_path_node *tree_in(struct gw_router *router, struct gw_map *map,
                                    struct gw_slice host)
{
    struct gw_path_node *root = gw_map_get(map, host);

    if (root)
        return root;
    root = gw_arena_alloc_zero(router->arena, sizeof(*root));
    gw_map_put(map, host, root);
    return root;
}

static struct gw_path_node *tree_of(struct gw_router *router, const struct gw_rule *rule)
{
    switch (rule->host_kind) {
    case GW_HOST_ANY:
        return &router->any_host;
    case GW_HOST_PREFIX:
        note_length(router->prefix_lengths, rule->host.len);
        return tree_in(router, &router->prefixes, rule->host);
    case GW_HOST_SUFFIX:
        note_length(router->suffix_lengths, rule->host.len);
        return tree_in(router, &router->suffixes, rule->host);
    case GW_HOST_EXACT:
        return tree_in(router, &router->hosts, rule->host);
    }
    return NULL;
}

/* Called in order, so that each node's lists are in order too. */
static void insert(struct gw_router *router, struct gw_rule *rule)
{
    const struct gw_path *path = rule->path;
    struct gw_path_node *node =
        gw_path_node_at(router->arena, tree_of(router, rule), path->literal);
    bool pattern = path->kind == GW_PATH_REGEX || path->kind == GW_PATH_TEMPLATE;
    struct gw_rule_list *list = pattern ? &node->patterns : &node->plain;

    if (list->last)
        list->last->next = rule;
    else
        list->first = rule;
    list->last = rule;
}

void gw_router_index(struct gw_router *router, struct gw_router_draft *drafts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        make_rules(router, &drafts[i]);
    sort_rules(router, drafts, count);
    for (unsigned i = 0; i < router->rule_count; i++)
        insert(router, router->rules[i]);
}
