#pragma once
/* A run: one coroutine with its own list of waits. Phase runs belong to an exchange; a child is a
 * run that a wait of its parent owns (cancelling the wait cancels the child), background work is
 * one that the script owns. All end in one place, with one of three outcomes. */
#include "base/list.h"
#include "script/phase.h"

#include <lua.h>
#include <stdint.h>

struct gw_pdk;
struct gw_run;

/* Children of children of …: each level costs C stack when all of them end together. */
#define GW_RUN_DEPTH_MAX 8

enum gw_outcome {
    GW_OUTCOME_FINISHED,
    GW_OUTCOME_WAITS,  /* a gw_wait was registered */
    GW_OUTCOME_FAILED, /* run->failure says why; the coroutine is new again */
};

/* Called by gw_run_wake(), never by gw_run_resume(): for each outcome but WAITS. The callee
 * releases the run. */
typedef void (*gw_run_cb)(struct gw_run *run, enum gw_outcome outcome);

enum gw_run_state {
    GW_RUN_IDLE,    /* in the pool */
    GW_RUN_READY,   /* acquired; function and arguments may be pushed on L */
    GW_RUN_RUNNING, /* its Lua is on the C stack */
    GW_RUN_WAITING,
};

struct gw_run {
    struct gw_list_node node; /* in script->idle or script->running */
    struct gw_script *script;
    lua_State *L; /* the coroutine; NULL: it failed and there was no memory for another */
    int ref;      /* that keeps it */
    enum gw_run_state state;
    /* struct gw_wait; those that ended but whose result is not taken yet, too */
    struct gw_list waits;
    struct gw_exchange *x;   /* NULL: the script's own */
    struct gw_pdk *pdk;      /* the handle of x, or NULL */
    uint32_t phase, at, use; /* of the hook that waits: the handle gets them back when it goes on */
    gw_run_cb on_end;
    void *owner;        /* of a child: what waits for it */
    int hooks;          /* phase runs (phase.c) and their children: enum gw_phase … */
    gw_phase_done done; /* … and whom to tell */
    unsigned depth;     /* of a child: how many parents stand above it; else 0 */
    char *failure;      /* text and traceback, owned; NULL */
};

/* From the pool; NULL when Lua's memory ran out. */
struct gw_run *gw_run_acquire(struct gw_script *script);

/* A child of `parent`, whose Lua runs now: it speaks for the same request, from the same hook, with
 * the same rights. What it returned stays on run->L until it is released. NULL when Lua's memory
 * ran out. */
struct gw_run *gw_run_acquire_child(struct gw_run *parent);

/* Back to the pool; it may not be running. Cancels what still waits. */
void gw_run_release(struct gw_run *run);

/* Starts it (function and `args` values are on run->L) or goes on after a wait (`args` results
 * are). */
enum gw_outcome gw_run_resume(struct gw_run *run, int args);

/* Goes on after a wait and tells on_end when that was the end. The run may be gone afterwards. */
void gw_run_wake(struct gw_run *run, int results);
