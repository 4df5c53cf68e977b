#pragma once
/* A function of Lua that waits. It does four things (await_sleep.c is the model to copy):
 *
 *   1. gw_wait_check() that it may wait here,
 *   2. start the work,
 *   3. gw_wait_begin(): the run knows it and can cancel it,
 *   4. return gw_wait_yield(L).
 *
 * When the work ends it calls gw_wait_end(), then gw_run_wake() with its results pushed on run->L:
 * numbers, booleans and nils only, because anything else allocates and there is nobody to catch the
 * error. Bytes are fetched by Lua after it woke. */
#include "base/list.h"

#include <lua.h>

struct gw_run;

struct gw_wait {
    struct gw_list_node node; /* in run->waits */
    struct gw_run *run;
    /* stops the work, frees what it holds; it never ends after that */
    void (*cancel)(struct gw_wait *wait);
};

/* The run whose Lua calls; raises a Lua error that names `what` where it cannot wait. */
struct gw_run *gw_wait_check(lua_State *L, const char *what);

void gw_wait_begin(struct gw_run *run, struct gw_wait *wait, void (*cancel)(struct gw_wait *wait));

/* `return gw_wait_yield(L)` is the last thing a waiting function does. */
int gw_wait_yield(lua_State *L);

/* It ended, or is over for another reason: the run forgets it. */
void gw_wait_end(struct gw_wait *wait);
