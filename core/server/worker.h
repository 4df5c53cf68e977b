#pragma once
/* A worker: one thread that turns one loop with its listeners, connections, pool, proxy and the Lua
 * state of the current generation. Nobody below server/ knows it. */
#include "config/config.h"
#include "net/loop.h"
#include "script/script.h"
#include "server/port.h"
#include "upstream/registry.h"

struct gw_log_writer;
struct gw_metrics;
struct gw_watchdog;
struct gw_worker;

struct gw_worker_options {
    unsigned index;
    struct gw_registry *registry;
    struct gw_metrics *metrics;
    struct gw_log_writer *log_writer;
    struct gw_watchdog *watchdog;
    struct gw_loop *control; /* where it answers */
};

/* Starts the thread. It serves nothing before its first commit. Owned by the caller until
 * gw_worker_join(). */
struct gw_worker *gw_worker_start(const struct gw_worker_options *options);

/* Gives the worker a new generation: between two turns of its loop it takes the configuration and
 * the script (one reference of each moves), opens and closes ports. `taken` comes on control's loop
 * once that has happened. The shares' descriptors move, too. */
void gw_worker_commit(struct gw_worker *worker, struct gw_config *config, struct gw_script *script,
                      struct gw_port_share *shares, unsigned share_count, void (*taken)(void *ctx),
                      void *ctx);

/* Ends the requests that still need the Lua of that generation, with a line each. */
void gw_worker_end_generation(struct gw_worker *worker, uint64_t generation);

/* Stops listening and lets what runs come to its end, at most so long; calling it again with less
 * shortens that. `done` comes on control's loop when the thread has nothing left; gw_worker_join()
 * is due then. */
void gw_worker_drain(struct gw_worker *worker, uint64_t timeout_us, void (*done)(void *ctx),
                     void *ctx);

/* The same without an end in sight, for a process that has a successor: connections may bring one
 * more request, background tasks end. gw_worker_drain() shortens it. */
void gw_worker_retire(struct gw_worker *worker, void (*done)(void *ctx), void *ctx);

/* Has it close idle connections, because another thread ran out of descriptors. */
void gw_worker_relieve(struct gw_worker *worker);

/* What a worker knows of itself, for metrics. */
struct gw_worker_numbers {
    unsigned requests; /* being worked on */
    unsigned pooled;   /* idle connections to services */
    uint64_t shed;     /* idle connections closed for want of descriptors, so far */
};

/* From control's thread; zeros before the worker serves and after it ended. */
struct gw_worker_numbers gw_worker_numbers(struct gw_worker *worker);

void gw_worker_join(struct gw_worker *worker);
