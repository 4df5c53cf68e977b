/* A quota whose key is in the file alone: the ledger's thread reads it, the run waits. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"
#include "store/ledger.h"

struct quota_wait {
    struct gw_wait wait;
    struct gw_ledger_load *load;
};

static void on_loaded(void *ctx, bool loaded)
{
    struct quota_wait *quota = ctx;
    struct gw_run *run = quota->wait.run;

    gw_wait_end(&quota->wait);
    gw_free(quota);
    lua_pushboolean(run->L, loaded);
    gw_run_wake(run, 1);
}

static void cancel(struct gw_wait *wait)
{
    struct quota_wait *quota = container_of(wait, struct quota_wait, wait);

    gw_ledger_load_cancel(quota->load);
    gw_free(quota);
}

int gw_await_quota(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, "a quota");
    struct gw_ledger_ask asks[GW_LIMIT_ASKS_MAX];
    size_t count = 0;
    int top = lua_gettop(L);

    for (int at = 2; at < top && count < GW_LIMIT_ASKS_MAX; at += 2) {
        struct gw_ledger_ask *ask = &asks[count++];

        *ask = (struct gw_ledger_ask){
            .counter = (uint64_t)luaL_checknumber(L, 1),
            .rule = lua_topointer(L, at + 1),
        };
        ask->key.ptr = luaL_checklstring(L, at, &ask->key.len);
    }
    if (!count)
        return luaL_error(L, "a quota without a key");

    struct quota_wait *quota = gw_alloc_zero(sizeof(*quota));

    quota->load =
        gw_ledger_load(run->script->ledger, asks, count, run->script->loop, on_loaded, quota);
    gw_wait_begin(run, &quota->wait, cancel);
    return gw_wait_yield(L);
}
