#pragma once
/* The process: control's thread (the one that called), a loader, a log writer and the workers. */
#include "net/loop.h"
#include "server/load.h"
#include "server/old_generations.h"
#include "server/port.h"
#include "server/reload.h"
#include "server/worker.h"
#include "upstream/registry.h"

struct gw_admin;
struct gw_hearing;
struct gw_ledger;
struct gw_log_writer;
struct gw_metrics;
struct gw_parent;
struct gw_sinks;
struct gw_tls_store;
struct gw_watch;
struct gw_watchdog;
struct gw_zones;

enum gw_server_state {
    GW_SERVER_STARTS, /* until generation 1 is committed */
    GW_SERVER_SERVES,
    GW_SERVER_DRAINS,
    GW_SERVER_STOPPED,
};

struct gw_server {
    const char *config_path; /* as it was named; borrowed */
    const char *home;        /* borrowed */
    bool watch_wanted;       /* --watch */
    struct gw_loop *loop;    /* control's */
    enum gw_server_state state;
    int64_t started_us; /* wall time */
    struct gw_registry *registry;
    struct gw_metrics *metrics;
    struct gw_zones *zones;
    struct gw_tls_store *tls;
    struct gw_ports ports;
    struct gw_loader *loader;
    struct gw_log_writer *log_writer;
    struct gw_watchdog *watchdog;
    struct gw_old_generations old_generations;
    struct gw_sinks *sinks;   /* of log plugins */
    struct gw_ledger *ledger; /* of quotas */
    struct gw_hearing *hearing;
    struct gw_worker **workers;
    unsigned worker_count; /* 0 before generation 1 was loaded */
    unsigned workers_done;
    unsigned stops_by_signal, stops_by_parent; /* how often each told us to end */
    bool retires;          /* drains without an end in sight, because another process serves */
    struct gw_timer delay; /* runs until workers are told to drain */
    uint64_t drain_timeout_us;
    struct gw_timer patience; /* runs once it was told twice to stop, or only a load is left */
    bool reloader_closed;
    struct gw_reloader *reloader;
    struct gw_admin *admin;
    struct gw_parent *parent;      /* NULL: no supervisor */
    struct gw_watch *watch;        /* NULL: not watching */
    struct gw_reload_waiter first; /* for generation 1 */
    struct gw_defer finish;
    uv_signal_t signals[5];
    int exit_code;
};

/* Starts everything, serves until it is told to stop, takes everything down. Returns the exit code.
 */
int gw_server_run(const char *config_path, const char *home, bool watch);

/* For reload.c: generation 1 was loaded, and with it the number of workers is known: starts them.
 */
void gw_server_begin(struct gw_server *server, unsigned workers);

/* For reload.c: all workers serve the load's configuration, which is the reloader's current one by
 * now. */
void gw_server_committed(struct gw_server *server, const struct gw_load *load);

/* Ends the process after a drain; a second time, without waiting for it. */
void gw_server_stop(struct gw_server *server, int exit_code);
