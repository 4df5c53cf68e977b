#pragma once
/* The generations that still live: a configuration with its Lua states each. One lives until its
 * configuration is freed, which every exchange and every script may be the last to cause, on any
 * thread: hence the lock. */
#include "net/loop.h"
#include "server/load.h"
#include "server/loader.h"

struct gw_generations {
    struct gw_loader *loader; /* closes scripts */
    uv_mutex_t lock;
    struct gw_list alive; /* oldest first */
};

/* What /status shows of one. */
struct gw_generation_info {
    uint64_t number;
    int64_t since_us;   /* wall time of its commit */
    unsigned scripts;   /* Lua states not yet let go */
    uint64_t lua_bytes; /* what they hold */
};

void gw_generations_init(struct gw_generations *generations, struct gw_loader *loader);

/* All must be gone. */
void gw_generations_deinit(struct gw_generations *generations);

/* From the commit on; the load still owns what it owns. */
void gw_generations_add(struct gw_generations *generations, const struct gw_load *load,
                        int64_t since_us);

/* For gw_script_options.on_unused, with the generations as ctx: the script goes to the loader. On
 * any thread. */
void gw_generations_script_unused(struct gw_script *script, void *ctx);

/* The Lua states of generations before the current one. */
struct gw_old_lua {
    uint64_t oldest; /* generation that still has one; 0: none has */
    uint64_t bytes;  /* what all of them hold */
};

void gw_generations_old_lua(struct gw_generations *generations, uint64_t current,
                            struct gw_old_lua *lua);

/* Fills at most `size`, oldest first; returns how many live. */
unsigned gw_generations_alive(struct gw_generations *generations, struct gw_generation_info *infos,
                              unsigned size);
