/* Routes that no request ever reaches, because a better one takes all of theirs. Only what is
 * certain is reported. */
#include "base/check.h"
#include "config/router_rules.h"

struct cover {
    struct gw_router_visit visit;
    const struct gw_rule *rule;
    const struct gw_rule *found;
};

static bool methods_cover(const struct gw_matcher *wide, const struct gw_matcher *narrow)
{
    if (wide->method_count == 0)
        return true;
    for (unsigned i = 0; i < narrow->method_count; i++) {
        if (!gw_method_fits(wide, narrow->methods[i]))
            return false;
    }
    return narrow->method_count > 0;
}

static bool has_value(const struct gw_condition *condition, struct gw_slice text)
{
    for (unsigned i = 0; i < condition->value_count; i++) {
        if (gw_slice_equal(condition->values[i].text, text))
            return true;
    }
    return condition->value_count == 0;
}

static bool condition_covers(const struct gw_condition *wide, const struct gw_condition *narrow)
{
    if (!gw_slice_equal(wide->name, narrow->name))
        return false;
    for (unsigned i = 0; i < narrow->value_count; i++) {
        if (!has_value(wide, narrow->values[i].text))
            return false;
    }
    return narrow->value_count > 0 || wide->value_count == 0;
}

static bool has_name(const struct gw_matcher *matcher, struct gw_slice name)
{
    for (unsigned i = 0; i < matcher->sni_count; i++) {
        if (gw_slice_equal(matcher->snis[i], name))
            return true;
    }
    return false;
}

static bool connections_cover(const struct gw_matcher *wide, const struct gw_matcher *narrow)
{
    if (wide->http_only && !narrow->http_only)
        return false;
    if (wide->sni_count == 0)
        return true;
    for (unsigned i = 0; i < narrow->sni_count; i++) {
        if (!has_name(wide, narrow->snis[i]))
            return false;
    }
    return narrow->sni_count > 0;
}

/* Each condition of the wide one must follow from one of the narrow one. */
static bool conditions_cover(const struct gw_condition *wide, unsigned wide_count,
                             const struct gw_condition *narrow, unsigned narrow_count)
{
    for (unsigned i = 0; i < wide_count; i++) {
        bool follows = false;

        for (unsigned k = 0; k < narrow_count && !follows; k++)
            follows = condition_covers(&wide[i], &narrow[k]);
        if (!follows)
            return false;
    }
    return true;
}

static bool templates_equal(const struct gw_path *a, const struct gw_path *b)
{
    if (a->segment_count != b->segment_count)
        return false;
    for (unsigned i = 0; i < a->segment_count; i++) {
        const struct gw_path_segment *left = &a->segments[i], *right = &b->segments[i];

        if (!gw_slice_equal(left->before, right->before) ||
            !gw_slice_equal(left->after, right->after) ||
            (left->name.len == 0) != (right->name.len == 0))
            return false;
    }
    return true;
}

static bool prefix_covers(const struct gw_path *prefix, const struct gw_path *narrow)
{
    struct gw_slice literal = narrow->literal;

    if (narrow->kind == GW_PATH_ANY || !gw_slice_starts_with(literal, prefix->literal))
        return false;
    if (literal.len > prefix->literal.len || !prefix->whole_segments)
        return gw_prefix_ends_well(prefix, literal);
    /* The same bytes: what comes behind them decides. */
    return narrow->kind == GW_PATH_EXACT || prefix->literal.ptr[literal.len - 1] == '/' ||
           (narrow->kind == GW_PATH_PREFIX && narrow->whole_segments);
}

static bool regex_covers(const struct gw_path *regex, const struct gw_path *narrow)
{
    bool whole;
    struct gw_slice literal = gw_regex_literal_prefix(regex->regex, &whole);
    size_t matched;

    if (narrow->kind == GW_PATH_REGEX && gw_slice_equal(regex->text, narrow->text))
        return true;
    if (narrow->kind == GW_PATH_EXACT)
        return gw_regex_match(regex->regex, narrow->literal, &matched) == GW_REGEX_YES;
    return whole && narrow->kind != GW_PATH_ANY && gw_slice_starts_with(narrow->literal, literal);
}

static bool path_covers(const struct gw_path *wide, const struct gw_path *narrow)
{
    struct gw_route_match ignored;

    switch (wide->kind) {
    case GW_PATH_ANY:
        return true;
    case GW_PATH_PREFIX:
        return prefix_covers(wide, narrow);
    case GW_PATH_TEMPLATE:
        if (narrow->kind == GW_PATH_EXACT)
            return gw_path_template_match(wide, narrow->literal, &ignored);
        return narrow->kind == GW_PATH_TEMPLATE && templates_equal(wide, narrow);
    case GW_PATH_REGEX:
        return regex_covers(wide, narrow);
    case GW_PATH_EXACT:
        return narrow->kind == GW_PATH_EXACT && gw_slice_equal(wide->literal, narrow->literal);
    }
    return false;
}

/* Hosts need no look: only trees of hosts at least as wide are walked. */
static bool rule_covers(const struct gw_rule *wide, const struct gw_rule *narrow)
{
    const struct gw_matcher *left = wide->matcher, *right = narrow->matcher;

    return left != right && methods_cover(left, right) && connections_cover(left, right) &&
           path_covers(wide->path, narrow->path) &&
           conditions_cover(left->headers, left->header_count, right->headers,
                            right->header_count) &&
           conditions_cover(left->arguments, left->argument_count, right->arguments,
                            right->argument_count) &&
           conditions_cover(left->cookies, left->cookie_count, right->cookies,
                            right->cookie_count) &&
           !left->sources;
}

static void search_list(struct cover *cover, const struct gw_rule_list *list)
{
    const struct gw_rule *end = cover->found ? cover->found : cover->rule;

    for (const struct gw_rule *rule = list->first; rule && rule->order < end->order;
         rule = rule->next) {
        if (rule_covers(rule, cover->rule)) {
            cover->found = rule;
            return;
        }
    }
}

static void on_node(struct gw_router_visit *visit, const struct gw_path_node *node, size_t depth)
{
    struct cover *cover = container_of(visit, struct cover, visit);

    (void)depth;
    search_list(cover, &node->plain);
    search_list(cover, &node->patterns);
}

/* A rule that comes before this one and takes everything that would match it, or NULL. */
static const struct gw_rule *find_cover(const struct gw_router *router, const struct gw_rule *rule)
{
    struct cover cover = { .visit.visit = on_node, .rule = rule };

    gw_router_walk(router, rule->host_kind, rule->host, rule->path->literal, &cover.visit);
    return cover.found;
}

bool gw_router_draft_shadowed(const struct gw_router *router, const struct gw_router_draft *draft,
                              unsigned *by)
{
    for (unsigned i = 0; i < draft->rule_count; i++) {
        const struct gw_rule *cover = find_cover(router, &draft->rules[i]);

        if (!cover)
            return false;
        if (i == 0)
            *by = cover->matcher->route->index;
    }
    return draft->rule_count > 0;
}
