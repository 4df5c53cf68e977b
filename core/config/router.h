#pragma once
/* Which route a request takes. Immutable after build, shared by all workers; PCRE2 match data is
 * per call. Precedence: decisions.md "Route precedence". Cost grows sublinearly with the number of
 * routes. */
#include "config/config.h"

enum {
    GW_ROUTE_CAPTURES_MAX = 16
};

struct gw_route_pair {
    struct gw_slice name, value;
};

/* What is asked; filled by proxy. Slices are borrowed for the call. */
struct gw_route_query {
    struct gw_slice method;
    struct gw_slice host;  /* lower case, no port */
    struct gw_slice path;  /* normalised */
    struct gw_slice query; /* raw, without "?" */
    struct gw_slice sni;   /* lower case, without a dot at the end; empty: none */
    bool tls;              /* the connection speaks it: names of routes (snis) count */
    bool https;            /* as the client reached the first proxy we trust */
    const struct gw_route_pair
        *headers; /* names in lower case; only needed when gw_router_needs_headers() */
    unsigned header_count;
    struct gw_addr_bytes client; /* len 0: not known; only needed when gw_router_needs_client() */
};

struct gw_route_match {
    const struct gw_route *route; /* NULL: none */
    size_t matched; /* bytes of the path that strip_path takes away (the whole path for =exact) */
    unsigned capture_count;
    struct gw_route_pair
        captures[GW_ROUTE_CAPTURES_MAX]; /* {id} of templates, (?<name>) of regexes; borrowed from
                                            path and config */
    bool method_mismatch;                /* no route, but one would match with another method */
    unsigned regex_errors; /* regexes that gave up at their limit, and so did not match */
    unsigned work;         /* steps it took: what the specs count instead of time */
};

/* One route that matches, with the rule of it that comes first. */
struct gw_route_candidate {
    const struct gw_route *route;
    struct gw_slice path, host; /* as configured; empty when the route names none */
    char why[160];              /* why it lost, for people; "" for the winner */
};

void gw_router_match(const struct gw_router *router, const struct gw_route_query *query,
                     struct gw_route_match *match);

/* The methods that would match the rest of the query, comma separated, for Allow; returns the
 * length written. */
size_t gw_router_allowed_methods(const struct gw_router *router, const struct gw_route_query *query,
                                 char *out, size_t size);

/* All routes that match, best first, at most `max`; returns how many there are in all. For
 * `moongate explain`. */
size_t gw_router_explain(const struct gw_router *router, const struct gw_route_query *query,
                         struct gw_route_candidate *candidates, size_t max);

/* The rules of all routes in the order they are tried, 0 being the first; false past the last.
 * `why` says what else the route asks for: methods, headers, arguments, cookies, addresses. For
 * `moongate routes`. */
bool gw_router_rule_at(const struct gw_router *router, unsigned at,
                       struct gw_route_candidate *candidate);

bool gw_router_needs_headers(const struct gw_router *router);
bool gw_router_needs_client(const struct gw_router *router);
bool gw_router_needs_query(const struct gw_router *router);
