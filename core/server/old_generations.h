#pragma once
/* Keeps the Lua memory of older generations below lua.old_generations: above it the requests that
 * still need Lua of the oldest one end, so that its states can be closed. On control. */
#include "net/loop.h"

struct gw_server;

struct gw_old_generations {
    struct gw_server *server;
    struct gw_timer timer;
    uint64_t ended; /* the generation whose requests were told to end last */
};

void gw_old_generations_init(struct gw_old_generations *old, struct gw_server *server);

/* Looks now, and from time to time as long as there are older ones. After each commit. */
void gw_old_generations_look(struct gw_old_generations *old);

/* Looks no more. */
void gw_old_generations_stop(struct gw_old_generations *old);
