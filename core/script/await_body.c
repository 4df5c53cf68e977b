/* ctx.request:get_raw_body() and ctx.response:get_raw_body(): proxy collects, the hook waits. */
#include "base/alloc.h"
#include "base/log.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"

struct body_wait {
    struct gw_wait wait;
    struct gw_exchange *x;
};

/* The first plugin that has a body collected pays for it until the request is over. */
static void charge(struct gw_run *run, size_t bytes)
{
    struct gw_ctx *ctx = run->script->ctxs[run->x->ctx_slot];

    if (!ctx->body_account)
        ctx->body_account = run->script->uses[run->use].account;
    ctx->body_account->body_bytes += bytes;
    ctx->body_bytes += bytes;
}

/* True when the plugin holds too much already: with what this one says it will be. */
static bool is_too_much(struct gw_run *run, bool of_request)
{
    struct gw_script *script = run->script;
    struct gw_account *account = gw_script_account(script);
    size_t max = script->config->lua_bodies, expected = 0;
    int64_t length = of_request ? run->x->request.body_length : run->x->response.body_length;

    if (length > 0)
        expected = (size_t)length;
    if (max == 0 || account->body_bytes + expected <= max)
        return false;
    gw_script_count_breach(script, account, GW_BREACH_BODIES);
    if (gw_script_may_log(script, account))
        gw_warn("plugin %s, request %.*s: its bodies are %zu bytes already, no more is collected "
                "(lua.bodies: %zu)",
                account->plugin, GW_SLICE_ARG(run->x->correlation_id), account->body_bytes, max);
    return true;
}

static void on_body(void *ctx, struct gw_slice body, enum gw_error error)
{
    struct body_wait *read = ctx;
    struct gw_run *run = read->wait.run;

    /* it stays in the exchange, where gw_pdk_body() finds it, and so does what is charged */
    charge(run, body.len);
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

    if (is_too_much(run, of_request)) {
        lua_pushinteger(L, GW_E_OVERLOADED);
        return 1;
    }

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
