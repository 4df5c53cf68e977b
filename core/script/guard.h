#pragma once
/* What keeps run-away Lua from keeping a thread. Each thread that runs Lua has a guard; the
 * watchdog (server/watchdog.c) only reads its serial from elsewhere, and orders by signal what
 * shall happen to the run that has it. The order is carried out on the thread itself, where
 * everything can be read, and only when that run still has the thread: one that just ended is
 * never mistaken for the next. Entering and leaving Lua are two plain stores each. */
#ifndef GW_CDEF
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

struct gw_script;
struct lua_State;

/* How the process ends when Lua cannot be stopped. */
#define GW_GUARD_EXIT_CODE 70
#define GW_GUARD_EXIT_CODE_START 1 /* the same before anything serves */

#ifndef GW_CDEF

enum gw_guard_order {
    GW_GUARD_STOP, /* raise an error at the next instruction, and at each one after it */
    GW_GUARD_END,  /* say whose code it is and end the process */
    GW_GUARD_TELL, /* say whose code it is */
};

/* What the loader's thread has beside: its Lua may take longer, and being stuck there is no reason
 * to end what serves. */
struct gw_guard_loading {
    bool loads;                /* this is such a thread; before it is watched */
    _Atomic bool alone;        /* nothing serves yet */
    _Atomic uint64_t limit_us; /* for one Lua state; 0: no bound */
    char what[96];             /* whose code runs; empty: our own */
    char stopped_at[256];      /* file and line */
};

struct gw_guard {
    _Atomic uint64_t serial;     /* odd: Lua runs; each time it enters is another number */
    struct gw_script *script;    /* whose Lua runs; of this thread alone, as the next three */
    struct lua_State *reads;     /* the same where no script is: a configuration is read */
    bool can_stop;               /* a hook may be set: no collector's work or such */
    volatile sig_atomic_t armed; /* the order to stop was carried out */
    _Atomic uint64_t ordered;    /* the serial that is meant */
    _Atomic int order;           /* enum gw_guard_order */
    char opening[64];            /* of the last line: time and level; before the order */
    int log_fd;                  /* where that line goes, beside standard error */
    uint64_t stuck_us;           /* what that line says */
    struct gw_guard_loading loading;
};

/* The calling thread's, from here on; NULL: it has none any more. */
void gw_guard_set(struct gw_guard *guard);

/* The calling thread's; NULL: nobody watches it. */
struct gw_guard *gw_guard_here(void);

/* Takes the signal for this process; before the first guard is set. */
void gw_guard_install(void);

/* The signal an order comes with; the watchdog writes the order first. */
int gw_guard_signal(void);

/* Lua is entered that loads a script's plugins, or (script NULL, in `L`) reads a configuration.
 * False, and no leave is due: nobody watches. */
bool gw_guard_enter_loading(struct gw_guard *guard, struct gw_script *script, struct lua_State *L);

/* It is left. True when it was stopped; why is for the operator. */
bool gw_guard_leave_loading(struct gw_guard *guard, char *why, size_t why_size);

/* Takes back what stopping has set up in Lua; for the runner, which has its coroutine back. */
void gw_guard_disarm(struct gw_guard *guard);

/* Lua of that script is entered. False, and no gw_guard_leave() is due: nobody watches. */
static inline bool gw_guard_enter(struct gw_guard *guard, struct gw_script *script, bool can_stop)
{
    if (!guard)
        return false;

    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_relaxed);

    guard->script = script;
    guard->can_stop = can_stop;
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guard->serial, serial + 1 + (serial & 1), memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    return true;
}

/* Lua is left; `outer`: to Lua that is below it on the stack. True when it was stopped. */
static inline bool gw_guard_leave(struct gw_guard *guard, bool outer)
{
    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_relaxed);

    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guard->serial, serial + 1 + outer, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
    if (!guard->armed)
        return false;
    gw_guard_disarm(guard);
    return true;
}

#endif
