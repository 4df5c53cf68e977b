/* The order of rules: decisions.md "Route precedence". Kong's 64-bit priority of
 * traditional_compatible, field by field (number of attributes, plain hosts only, number of
 * conditions, kind of path, regex_priority, length of the path), then what Kong leaves to chance:
 * the longer wildcard, what is for plain HTTP alone, the name. */
#include "config/router_rules.h"

#include <stdio.h>

#define CONDITIONS_MAX 255 /* Kong's header count has eight bits */

enum step {
    STEP_WEIGHT,
    STEP_PLAIN_HOSTS,
    STEP_CONDITIONS,
    STEP_PATH_KIND,
    STEP_REGEX_PRIORITY,
    STEP_PATH_LENGTH,
    STEP_WILDCARD,
    STEP_HTTP_ONLY,
    STEP_NAME,
    STEP_ID,
    STEP_INDEX,
    STEP_PATH_INDEX,
    STEP_SAME,
};

static unsigned condition_count(const struct gw_rule *rule)
{
    const struct gw_matcher *matcher = rule->matcher;
    unsigned count = matcher->header_count + matcher->argument_count + matcher->cookie_count +
                     (matcher->sources ? 1 : 0);

    return count < CONDITIONS_MAX ? count : CONDITIONS_MAX;
}

static int32_t regex_priority(const struct gw_rule *rule)
{
    return rule->path->kind == GW_PATH_REGEX ? rule->matcher->regex_priority : 0;
}

/* Prefix and suffix wildcards by the bytes they demand; a plain host demands everything. */
static size_t host_length(const struct gw_rule *rule)
{
    return rule->host_kind == GW_HOST_EXACT ? SIZE_MAX : rule->host.len;
}

static int text_compare(struct gw_slice a, struct gw_slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int sign = len ? memcmp(a.ptr, b.ptr, len) : 0;

    return sign ? sign : (a.len > b.len) - (a.len < b.len);
}

#define MORE_FIRST(a, b) ((a) < (b)) - ((a) > (b))

/* Below 0 when `a` comes first at this step. */
static int compare_step(enum step step, const struct gw_rule *a, const struct gw_rule *b)
{
    const struct gw_matcher *left = a->matcher, *right = b->matcher;

    switch (step) {
    case STEP_WEIGHT:
        return MORE_FIRST(left->weight, right->weight);
    case STEP_PLAIN_HOSTS:
        return MORE_FIRST(left->plain_hosts, right->plain_hosts);
    case STEP_CONDITIONS:
        return MORE_FIRST(condition_count(a), condition_count(b));
    case STEP_PATH_KIND:
        return MORE_FIRST(a->path->kind, b->path->kind);
    case STEP_REGEX_PRIORITY:
        return MORE_FIRST(regex_priority(a), regex_priority(b));
    case STEP_PATH_LENGTH:
        return MORE_FIRST(a->path->length, b->path->length);
    case STEP_WILDCARD:
        return MORE_FIRST(host_length(a), host_length(b));
    case STEP_HTTP_ONLY: /* one for HTTPS would only send plain requests away */
        return MORE_FIRST(left->http_only, right->http_only);
    case STEP_NAME:
        return text_compare(left->route->name, right->route->name);
    case STEP_ID:
        return text_compare(left->route->id, right->route->id);
    case STEP_INDEX:
        return MORE_FIRST(right->route->index, left->route->index);
    case STEP_PATH_INDEX:
        return MORE_FIRST(b->path->index, a->path->index);
    case STEP_SAME:
        return 0;
    }
    return 0;
}

static enum step deciding_step(const struct gw_rule *a, const struct gw_rule *b)
{
    enum step step = STEP_WEIGHT;

    while (step < STEP_SAME && compare_step(step, a, b) == 0)
        step++;
    return step;
}

int gw_rule_compare(const struct gw_rule *a, const struct gw_rule *b)
{
    return compare_step(deciding_step(a, b), a, b);
}

static const char *kind_name(enum gw_path_kind kind)
{
    static const char *const names[] = {
        [GW_PATH_ANY] = "no path",         [GW_PATH_PREFIX] = "a prefix",
        [GW_PATH_TEMPLATE] = "a template", [GW_PATH_REGEX] = "a regex",
        [GW_PATH_EXACT] = "an exact path",
    };

    return names[kind];
}

void gw_rule_explain(const struct gw_rule *winner, const struct gw_rule *loser, char *out,
                     size_t size)
{
    switch (deciding_step(winner, loser)) {
    case STEP_WEIGHT:
        snprintf(out, size, "it names fewer attributes (%u, not %u)", loser->matcher->weight,
                 winner->matcher->weight);
        return;
    case STEP_PLAIN_HOSTS:
        snprintf(out, size, "%s",
                 loser->host_kind == GW_HOST_ANY ? "it names no host"
                                                 : "it has a wildcard among its hosts");
        return;
    case STEP_CONDITIONS:
        snprintf(out, size,
                 "it names fewer headers, query arguments, cookies and addresses (%u, not %u)",
                 condition_count(loser), condition_count(winner));
        return;
    case STEP_PATH_KIND:
        snprintf(out, size, "%s comes after %s", kind_name(loser->path->kind),
                 kind_name(winner->path->kind));
        return;
    case STEP_REGEX_PRIORITY:
        snprintf(out, size, "its regex_priority is lower (%d, not %d)", regex_priority(loser),
                 regex_priority(winner));
        return;
    case STEP_PATH_LENGTH:
        snprintf(out, size, "its path is shorter (%zu bytes, not %zu)", loser->path->length,
                 winner->path->length);
        return;
    case STEP_WILDCARD:
        snprintf(out, size, "its host \"%.*s\" is less specific than \"%.*s\"",
                 GW_SLICE_ARG(loser->host_text), GW_SLICE_ARG(winner->host_text));
        return;
    case STEP_HTTP_ONLY:
        snprintf(out, size, "all else being equal, it is for HTTPS, too");
        return;
    case STEP_NAME:
        snprintf(out, size, "all else being equal, its name sorts behind \"%.*s\"",
                 GW_SLICE_ARG(winner->matcher->route->name));
        return;
    case STEP_ID:
    case STEP_INDEX:
    case STEP_PATH_INDEX:
    case STEP_SAME:
        snprintf(out, size, "all else is equal");
        return;
    }
}
