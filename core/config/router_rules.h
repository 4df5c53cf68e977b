#pragma once
/* The inside of the router: what its parts share. Nobody outside core/config/router*.c includes it.
 *
 * A route is split into *rules*, one for each pair of a host and a path it names (as Kong splits
 * routes by path length), all with the same matcher. Rules have a total order, best first, which
 * does not depend on the order of the file. For each host there is a tree over paths whose nodes
 * hold rules; a lookup walks the trees of the hosts that fit along the request's path, and the
 * first rule in order among those it meets wins. */
#ifndef GW_CDEF
#include "base/map.h"
#include "config/cidr.h"
#include "config/regex.h"
#include "config/router.h"

/* A later kind wins over an earlier one. */
enum gw_path_kind {
    GW_PATH_ANY,      /* the route names no paths */
    GW_PATH_PREFIX,   /* "/users" */
    GW_PATH_TEMPLATE, /* "/users/{id}" */
    GW_PATH_REGEX,    /* "~/users/\d+" */
    GW_PATH_EXACT,    /* "=/users" */
};

enum gw_host_kind {
    GW_HOST_ANY,    /* the route names no hosts */
    GW_HOST_PREFIX, /* "api.*", kept as "api." */
    GW_HOST_SUFFIX, /* "*.example.com", kept as ".example.com" */
    GW_HOST_EXACT,
};

/* One segment of a template: before {name} after. No name: all of it is in `before`. */
struct gw_path_segment {
    struct gw_slice before, name, after;
};

struct gw_path {
    enum gw_path_kind kind;
    bool whole_segments;  /* a prefix ends where a segment ends */
    unsigned index;       /* in its route */
    struct gw_slice text; /* as written */
    struct gw_slice
        literal; /* normalised bytes that every match begins with; all of it for prefix and exact */
    struct gw_regex *regex;
    struct gw_path_segment *segments;
    unsigned segment_count;
    size_t length; /* for the order: bytes that are not variable; 0 for a regex */
};

struct gw_condition_value {
    struct gw_slice text;
    struct gw_regex *regex; /* "~*…" */
};

/* A header, query argument or cookie of that name must have one of the values; without values, it
 * must be there. */
struct gw_condition {
    struct gw_slice name;
    struct gw_condition_value *values;
    unsigned value_count;
};

struct gw_matcher {
    const struct gw_route *route;
    struct gw_slice *methods, *snis;
    struct gw_condition *headers, *arguments, *cookies;
    unsigned method_count, sni_count, header_count, argument_count, cookie_count;
    struct gw_cidr_set *sources; /* of the client; the router frees it; NULL: all */
    bool http_only;              /* requests over TLS are not for it */
    unsigned weight;             /* how many kinds of attributes the route names */
    bool plain_hosts;            /* it names hosts, and none with a wildcard */
    int32_t regex_priority;
};

struct gw_rule {
    struct gw_rule *next; /* at the same node, in order */
    const struct gw_matcher *matcher;
    const struct gw_path *path;
    enum gw_host_kind host_kind;
    struct gw_slice host; /* without the "*" */
    struct gw_slice host_text;
    unsigned order; /* 0 is the best */
};

struct gw_rule_list {
    struct gw_rule *first, *last;
};

/* A node of a radix tree over path bytes. */
struct gw_path_node {
    struct gw_slice label;        /* the bytes from the parent to here */
    struct gw_rule_list plain;    /* any, prefix, exact: decided by comparing */
    struct gw_rule_list patterns; /* regex, template: tried only when they could still win */
    unsigned char *bytes;         /* the first byte of each child's label */
    struct gw_path_node **children;
    unsigned child_count, child_capacity;
};

struct gw_router {
    struct gw_arena *arena;                        /* the configuration's */
    struct gw_map hosts, suffixes, prefixes;       /* to struct gw_path_node */
    uint64_t suffix_lengths[4], prefix_lengths[4]; /* bit n: there is one of n bytes */
    struct gw_path_node any_host;
    struct gw_rule **rules; /* in order; owned */
    unsigned rule_count;
    struct gw_regex **regexes; /* owned */
    unsigned regex_count, regex_capacity;
    struct gw_cidr_set **sources; /* of all routes; owned */
    unsigned source_count, source_capacity;
    bool needs_headers, needs_query, needs_client, has_methods;
};

/* What was said of one route while the router is built; the arrays live in the arena. */
struct gw_router_draft {
    struct gw_matcher *matcher;
    struct gw_slice *hosts;
    struct gw_path *paths;
    unsigned host_count, path_count;
    struct gw_rule *rules; /* in no order */
    unsigned rule_count;
};

/* router_index.c: makes the rules of all routes, puts them in order and into the trees. */
void gw_router_index(struct gw_router *router, struct gw_router_draft *drafts, unsigned count);

/* router_shadow.c: true when no request reaches any rule of the route; *by is the index of a route
 * that takes them. */
bool gw_router_draft_shadowed(const struct gw_router *router, const struct gw_router_draft *draft,
                              unsigned *by);

/* router_path.c: reads a path of a route. NULL, or what is wrong with it (`why`). Literal text
 * lives in the arena. */
const char *gw_path_parse(struct gw_router *router, struct gw_path *path, struct gw_slice text,
                          char *why, size_t why_size);

/* A regex that the router frees. NULL with the reason in `why`. */
struct gw_regex *gw_router_own_regex(struct gw_router *router, struct gw_slice text, unsigned flags,
                                     char *why, size_t why_size);

bool gw_path_template_match(const struct gw_path *path, struct gw_slice subject,
                            struct gw_route_match *match);

/* router_tree.c */
struct gw_path_node *gw_path_node_at(struct gw_arena *arena, struct gw_path_node *root,
                                     struct gw_slice key);

/* The child on the way along `path`, whose first `depth` bytes lead to `node`; NULL at the end. */
const struct gw_path_node *gw_path_node_next(const struct gw_path_node *node, struct gw_slice path,
                                             size_t depth);

/* router_condition.c */
bool gw_conditions_hold(const struct gw_matcher *matcher, const struct gw_route_query *query,
                        struct gw_route_match *match);
bool gw_method_fits(const struct gw_matcher *matcher, struct gw_slice method);
bool gw_connection_fits(const struct gw_matcher *matcher, const struct gw_route_query *query);

/* router_order.c */
int gw_rule_compare(const struct gw_rule *a, const struct gw_rule *b);

/* Why `loser` comes after `winner`, for people. */
void gw_rule_explain(const struct gw_rule *winner, const struct gw_rule *loser, char *out,
                     size_t size);

/* router.c: calls `visit` with each node on the way whose rules may fit, and the length of the way
 * to it. */
struct gw_router_visit {
    void (*visit)(struct gw_router_visit *visit, const struct gw_path_node *node, size_t depth);
    unsigned work; /* lookups and nodes */
};

/* For a wildcard `host` (without its "*"): the trees of hosts that are at least as wide. */
void gw_router_walk(const struct gw_router *router, enum gw_host_kind kind, struct gw_slice host,
                    struct gw_slice path, struct gw_router_visit *visit);

/* Everything but the method. `match` gets what strip_path and captures need, when it fits. */
bool gw_rule_fits(const struct gw_rule *rule, const struct gw_route_query *query, size_t depth,
                  struct gw_route_match *match);

bool gw_prefix_ends_well(const struct gw_path *prefix, struct gw_slice path);

#endif
