#pragma once
/* Redis, for one loop: commands of everybody share a few connections, on which they wait for their
 * replies in order. A command ends once: with its replies, or with why there are none. It is never
 * sent a second time: nobody knows what a server did whose answer was lost.
 *
 * While a server cannot be reached, or leaves everything unanswered, commands end at once instead
 * of after their time; connections are made again by themselves, at growing intervals. */
#include "store/redis_reply.h"
#include "store/redis_server.h"

#ifndef GW_CDEF
#include "base/list.h"
#include "net/loop.h"
#endif

/* clang-format off */
/*      name        what Lua and logs say */
#define GW_REDIS_ENDS(X)                            \
    X(ANSWERED,     "answered")                     \
    X(TIMEOUT,      "timeout")                      \
    X(NO_ADDRESS,   "its name does not resolve")    \
    X(NO_CONNECT,   "not connected")                \
    X(NO_LOGIN,     "it does not let us in")        \
    X(STALLED,      "it does not answer")           \
    X(LOST,         "the connection was lost")      \
    X(FULL,         "too many commands wait for it") \
    X(MALFORMED,    "it does not speak Redis")      \
    X(TOO_LARGE,    "its reply is too large")       \
    X(SHUTDOWN,     "shutting down")
/* clang-format on */

enum gw_redis_end {
#define X(name, text) GW_REDIS_##name,
    GW_REDIS_ENDS(X)
#undef X
    GW_REDIS_END_COUNT
};

const char *gw_redis_end_text(enum gw_redis_end end);

struct gw_redis_hub;

/* Some commands that go out together and one after the other, and what came of them. */
struct gw_redis_job;

/* Where it ended the replies may be read until gw_redis_job_free(). */
typedef void (*gw_redis_cb)(void *ctx, struct gw_redis_job *job);

/* `loop` outlives it. */
struct gw_redis_hub *gw_redis_hub_new(struct gw_loop *loop);
/* Nobody waits any more; what was sent without a callback and is not out yet still leaves. */
void gw_redis_hub_free(struct gw_redis_hub *hub);

struct gw_redis_request {
    struct gw_slice bytes; /* from gw_redis_write_command(); copied */
    unsigned count;        /* of commands in them, at least 1 */
    uint64_t timeout_us;   /* 0: the server's */
};

/* `done` is never called before this returned. Without `done` nobody hears of it, and NULL is
 * returned. */
struct gw_redis_job *gw_redis_send(struct gw_redis_hub *hub, struct gw_redis_server *server,
                                   const struct gw_redis_request *request, gw_redis_cb done,
                                   void *ctx);

/* Of a job that ended, or to end it silently: what it sent takes its course, the replies are
 * dropped. */
void gw_redis_job_free(struct gw_redis_job *job);

enum gw_redis_end gw_redis_job_end(const struct gw_redis_job *job);

/* As many as commands, in their order; only where the job was answered. */
struct gw_redis_value *const *gw_redis_job_values(const struct gw_redis_job *job);
unsigned gw_redis_job_count(const struct gw_redis_job *job);

struct gw_redis_numbers {
    uint64_t commands, failures; /* sent or not; those that were not answered */
    uint64_t connects;           /* connections that became ready */
    unsigned ready, waiting;     /* connections; commands that wait for their replies */
};

/* Of all servers of this hub. */
struct gw_redis_numbers gw_redis_hub_numbers(const struct gw_redis_hub *hub);
