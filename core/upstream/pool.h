#pragma once
/* Idle connections to targets, of one worker. Hands out streams, not connections. */
#include "net/loop.h"

struct gw_pool;

struct gw_pool *gw_pool_new(struct gw_loop *loop);
void gw_pool_free(struct gw_pool *pool); /* closes idle ones; streams in use must be closed before */

/* Closes what is idle, now: at shutdown. */
void gw_pool_drain(struct gw_pool *pool);
unsigned gw_pool_idle(const struct gw_pool *pool);
