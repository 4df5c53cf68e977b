#pragma once
/* Reads a configuration and builds everything a generation needs: steps 1 and 2 of a reload.
 * Blocks; on the loader thread, or on the only one there is (`moongate check`). */
#include "config/config.h"
#include "script/script.h"

/* What `workers` may say (lua/moongate/config/top.lua). */
#define GW_WORKERS_MAX 512

struct gw_tls_store;

struct gw_load_options {
    const char *config_path; /* as it was named */
    const char *home;
    uint64_t generation;        /* what it will be when it is committed */
    unsigned workers;           /* 0: what the configuration says */
    struct gw_zones *zones;     /* of the process; NULL: each script has its own */
    struct gw_metrics *metrics; /* the same, for GW_WORKERS_MAX writers */
    struct gw_tls_store *tls;   /* of the process; NULL: no contexts are made, it is only a check */
    struct gw_ledger *ledger;   /* NULL: nothing is counted, it is only a check */
    struct gw_sinks *sinks;     /* NULL: nobody logs, it is only a check */
    void (*on_script_unused)(struct gw_script *script, void *ctx);
    void *ctx;
};

/* Owned by who loaded; what is taken out of it is set to NULL. */
struct gw_load {
    struct gw_config *config;   /* one reference; NULL: it failed */
    struct gw_script **scripts; /* one a worker, one reference each; NULL: it failed */
    unsigned script_count;
    struct gw_script *control; /* for event hooks; one reference. NULL: no plugin has one */
    char **errors; /* lines for people: "moongate.yaml:12: routes[3].paths[0]: message" */
    unsigned error_count;
    char **warnings; /* the same */
    unsigned warning_count;
    char **watched; /* the configuration's file, then folders whose files matter */
    unsigned watched_count;
    uint64_t took_us;
    char **plans; /* gw_load_explained(): the plugins of each route in their order, as lines */
    unsigned plan_count;
    char *global_plan; /* the same for requests without a route */
};

void gw_load(struct gw_load *load, const struct gw_load_options *options);

/* Only reads: no Lua states, but the plans as text. */
void gw_load_explained(struct gw_load *load, const char *config_path, const char *home);

/* Drops what was not taken out. */
void gw_load_deinit(struct gw_load *load);

/* How many workers `auto` means: the processors we may run on. */
unsigned gw_load_auto_workers(void);
