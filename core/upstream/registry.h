#pragma once
/* The upstreams of the process, by name. They outlive configurations: health, in-flight counts and
 * addresses stay while the configuration changes around them. Locks are held for pointer swaps
 * only. */
#include "config/config.h"
#include "net/loop.h"
#include "policy/breaker.h"

struct gw_registry;
struct gw_upstream;
struct gw_target_set;

struct gw_registry *gw_registry_new(void);
void gw_registry_free(struct gw_registry *registry); /* all configurations must be gone, and the
                                                        loop it ran on freed */

/* Finds or makes the upstream of each service and publishes target sets for what is configured;
 * sets service->upstream and the configuration's on_free. Any thread; call it when nothing can
 * refuse the configuration any more, because the targets of an upstream change for all
 * configurations that name it. IP literals are there at once; names are resolved by
 * gw_registry_run(). */
void gw_registry_bind(struct gw_registry *registry, struct gw_config *config);

/* Keeps names resolved on `loop` (control's): first answers as soon as possible, then by TTL, the
 * last good answer kept. `first_done` is called once, later, when every name known at this moment
 * was answered or failed, so that start-up can wait. Calling it again (after a bind, with the same
 * loop) waits for the new names; a wait still open then is replaced. */
void gw_registry_run(struct gw_registry *registry, struct gw_loop *loop,
                     void (*first_done)(void *ctx), void *ctx);
void gw_registry_stop(struct gw_registry *registry); /* on that loop's thread */

/* By name, for plugins' set_upstream() and fetch; borrowed while `config` lives. NULL: no such
 * upstream. */
struct gw_upstream *gw_registry_find(struct gw_registry *registry, const struct gw_config *config,
                                     struct gw_slice name);

/* Every service that has a circuit breaker. `visit` may not call back. */
struct gw_breaker_info {
    struct gw_slice service;
    struct gw_breaker_look look;
    uint64_t opened, refused; /* how often, since the start */
};
void gw_registry_breakers(struct gw_registry *registry, uint64_t now_us,
                          void (*visit)(const struct gw_breaker_info *info, void *ctx), void *ctx);

/* One line a target (upstream, address, weight, in flight), as JSON for /status. */
struct gw_buf;
void gw_registry_describe(struct gw_registry *registry, struct gw_buf *out);
