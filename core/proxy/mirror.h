#pragma once
/* A copy of a request for another service, whose answer nobody sees. The original does not wait for
 * it and does not fail with it; what would need too much memory or too many at once is not
 * mirrored, and counted. */
#include "http/head.h"

struct gw_flight;
struct gw_mirror;
struct gw_proxy;

/* Begins a copy where the route says so: the head as the service gets it, and the whole body where
 * it is there already; else gw_mirror_take() brings it, and flight->mirror is set. To be called
 * when the original is on its way. */
void gw_mirror_begin(struct gw_flight *flight, const struct gw_head *head, bool whole,
                     struct gw_slice body);

/* A piece of the body as it went to the service; borrowed for the call. NULL is fine. */
void gw_mirror_take(struct gw_mirror *mirror, struct gw_slice bytes, bool end);

/* The original ended: what is not whole yet is forgotten. */
void gw_mirror_leave(struct gw_flight *flight);

/* Ends all that are on their way. */
void gw_mirrors_end(struct gw_proxy *proxy);
