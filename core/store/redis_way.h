#pragma once
/* The way to a Redis until it takes commands: its name, a connection, TLS, and the greeting (who we
 * are, which database). All within the server's connect_timeout. Ends once: through `done`, or
 * silently by gw_redis_way_cancel(). */
#include "store/redis.h"

#ifndef GW_CDEF
#include "net/conn.h"
#endif

struct gw_redis_way;

/* `conn` is owned by the callee, who binds it; NULL: why not, in one word and in more. */
typedef void (*gw_redis_way_cb)(void *ctx, struct gw_conn *conn, enum gw_redis_end why,
                                const char *detail);

/* Nothing is called before it returned. `server` outlives it. */
struct gw_redis_way *gw_redis_way_start(struct gw_loop *loop, const struct gw_redis_server *server,
                                        gw_redis_way_cb done, void *ctx);
void gw_redis_way_cancel(struct gw_redis_way *way);
