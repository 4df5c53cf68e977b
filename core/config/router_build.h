#pragma once
/* Makes a router, step by step: say what each route asks for, then finish. Errors are texts for the
 * operator that say what is wrong with the value ("missing closing parenthesis (at byte 5)"); they
 * live until the next call. */
#ifndef GW_CDEF
#include "config/router.h"
#endif

struct gw_router_build;

/* `routes` must stay where they are as long as the router; all text goes into the arena. */
struct gw_router_build *gw_router_build_new(struct gw_arena *arena, const struct gw_route *routes,
                                            unsigned route_count);
void gw_router_build_free(
    struct gw_router_build *build); /* with the router when it was not taken; NULL is fine */

/* Each returns NULL or what is wrong. `route` is an index. */
const char *gw_router_build_method(struct gw_router_build *build, unsigned route,
                                   struct gw_slice method);
const char *gw_router_build_host(struct gw_router_build *build, unsigned route,
                                 struct gw_slice host);
const char *gw_router_build_path(struct gw_router_build *build, unsigned route,
                                 struct gw_slice path, bool whole_segments);
/* "example.com", or "*.example.com" for one label. */
const char *gw_router_build_sni(struct gw_router_build *build, unsigned route,
                                struct gw_slice name);
const char *gw_router_build_http_only(struct gw_router_build *build, unsigned route);
/* "~*…" is a regex without regard to case. Several values of one name: any of them will do. Without
 * a value (ptr NULL) the header, argument or cookie must only be there. */
const char *gw_router_build_header(struct gw_router_build *build, unsigned route,
                                   struct gw_slice name, struct gw_slice value);
const char *gw_router_build_argument(struct gw_router_build *build, unsigned route,
                                     struct gw_slice name, struct gw_slice value);
const char *gw_router_build_cookie(struct gw_router_build *build, unsigned route,
                                   struct gw_slice name, struct gw_slice value);
/* A network that the client may be in, or "unix:". */
const char *gw_router_build_source(struct gw_router_build *build, unsigned route,
                                   struct gw_slice network);
const char *gw_router_build_regex_priority(struct gw_router_build *build, unsigned route,
                                           int32_t priority);

/* Puts rules in order and builds the index; the build is only good for asking about shadows and
 * freeing after it. The caller owns the router until gw_router_free(). */
struct gw_router *gw_router_build_take(struct gw_router_build *build);
void gw_router_free(struct gw_router *router); /* NULL is fine */

/* A route none of whose requests ever reaches it, and one that takes them. */
struct gw_router_shadow {
    unsigned route, by; /* indexes */
};

/* After take: all of them, by index of the route; owned by the build. */
unsigned gw_router_build_shadows(const struct gw_router_build *build,
                                 const struct gw_router_shadow **shadows);
