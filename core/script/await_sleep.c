/* ctx:sleep(seconds): the model of all that waits. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"

#include <math.h>

#define SLEEP_MAX_SECONDS (24.0 * 3600)

struct sleep_wait {
    struct gw_wait wait;
    struct gw_timer timer;
    struct gw_defer defer; /* for no time at all */
};

static void wake(struct sleep_wait *sleep)
{
    struct gw_run *run = sleep->wait.run;

    gw_wait_end(&sleep->wait);
    gw_free(sleep);
    gw_run_wake(run, 0);
}

static void on_timer(struct gw_timer *timer)
{
    wake(container_of(timer, struct sleep_wait, timer));
}

static void on_defer(struct gw_defer *defer)
{
    wake(container_of(defer, struct sleep_wait, defer));
}

static void cancel(struct gw_wait *wait)
{
    struct sleep_wait *sleep = container_of(wait, struct sleep_wait, wait);

    gw_timer_stop(&sleep->timer);
    gw_defer_cancel(&sleep->defer);
    gw_free(sleep);
}

int gw_await_sleep(lua_State *L)
{
    double seconds = luaL_checknumber(L, 1);
    struct gw_run *run = gw_wait_check(L, "ctx:sleep");
    struct gw_loop *loop = run->script->loop;

    if (!(seconds >= 0 && seconds <= SLEEP_MAX_SECONDS))
        return luaL_error(L, "ctx:sleep takes 0 to %d seconds", (int)SLEEP_MAX_SECONDS);

    struct sleep_wait *sleep = gw_alloc_zero(sizeof(*sleep));
    uint64_t delay_us = (uint64_t)ceil(seconds * 1e6);

    if (delay_us)
        gw_timer_start(loop, &sleep->timer, delay_us, on_timer);
    else
        gw_loop_defer(loop, &sleep->defer, on_defer);
    gw_wait_begin(run, &sleep->wait, cancel);
    return gw_wait_yield(L);
}
