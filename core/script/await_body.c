/* ctx.request:get_raw_body() and ctx.response:get_raw_body(): proxy collects, the hook waits. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"

struct body_wait {
    struct gw_wait wait;
    struct gw_exchange *x;
};

static void on_body(void *ctx, struct gw_slice body, enum gw_error error)
{
    struct body_wait *read = ctx;
    struct gw_run *run = read->wait.run;

    (void)body; /* it stays in the exchange, where gw_pdk_body() finds it */
    gw_wait_end(&read->wait);
    gw_free(read);
    lua_pushinteger(run->L, (lua_Integer)error);
    gw_run_wake(run, 1);
}

static void cancel(struct gw_wait *wait)
{
    struct body_wait *read = container_of(wait, struct body_wait, wait);

    read->x->ops->cancel_read(read->x, read);
    gw_free(read);
}

int gw_await_body(lua_State *L)
{
    bool of_request = lua_tointeger(L, 1) == GW_PDK_OF_REQUEST;
    size_t max = (size_t)lua_tonumber(L, 2);
    struct gw_run *run = gw_wait_check(L, "get_raw_body");

    if (!run->x)
        return luaL_error(L, "get_raw_body belongs to a request, and none is here");

    struct body_wait *read = gw_alloc_zero(sizeof(*read));
    struct gw_exchange *x = run->x;

    read->x = x;
    gw_wait_begin(run, &read->wait, cancel);
    if (of_request)
        x->ops->read_request_body(x, max, on_body, read);
    else
        x->ops->read_response_body(x, max, on_body, read);
    return gw_wait_yield(L);
}
