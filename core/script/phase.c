#include "script/phase.h"

#include "base/log.h"
#include "http/problem.h"
#include "script/phase_private.h"
#include "script/pipe.h"

const char *gw_phase_name(enum gw_phase phase)
{
    static const char *const names[GW_PHASE_COUNT] = {
        [GW_PHASE_REWRITE] = "rewrite",
        [GW_PHASE_ACCESS] = "access",
        [GW_PHASE_RESPONSE] = "response",
        [GW_PHASE_LOG] = "log",
        [GW_PHASE_REQUEST_BODY] = "request_body",
        [GW_PHASE_BODY] = "body",
        [GW_PHASE_STREAM] = "stream",
    };

    return names[phase];
}

/* Every place in Lua's list of plans: the routes by index, then the global one. */
static unsigned plan_of(const struct gw_exchange *x, enum gw_phase phase)
{
    bool routed = x->route && phase != GW_PHASE_REWRITE;

    return (routed ? x->route->index : x->config->route_count) + 1;
}

/* `stage` of the phases without a body is the gw_pdk_phase they begin with (0: the first). */
enum gw_outcome gw_phase_enter(struct gw_run *run, uint32_t stage, uint32_t from)
{
    struct gw_script *script = run->script;
    struct gw_exchange *x = run->x;
    enum gw_phase phase = (enum gw_phase)run->hooks;
    struct gw_pdk *pdk = run->pdk;

    if (!run->L)
        return GW_OUTCOME_FAILED;
    pdk->plan = plan_of(x, phase);
    pdk->stage = stage;
    pdk->from = from;
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, script->phase_refs[phase]);
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, script->ctxs[x->ctx_slot]->ref);
    return gw_run_resume(run, 1);
}

static void set_reply(struct gw_exchange *x, struct gw_reply *reply)
{
    if (x->reply)
        gw_blob_unref(x->reply->body);
    x->reply = reply;
}

void gw_phase_log_failure(const struct gw_run *run)
{
    const struct gw_exchange *x = run->x;

    gw_error("plugin %s, %s%s%.*s, request %.*s: %s", run->script->uses[run->pdk->use].plugin,
             gw_phase_name((enum gw_phase)run->hooks), x->route ? ", route " : "",
             GW_SLICE_ARG(x->route ? x->route->name : GW_SLICE_EMPTY),
             GW_SLICE_ARG(x->correlation_id), run->failure);
}

/* True when the hooks after the failed one go on. Those of response and log see every answer, also
 * this one; those of the earlier phases only where the use says on_error: skip and nobody
 * answered. */
static bool survives_failure(struct gw_run *run)
{
    enum gw_phase phase = (enum gw_phase)run->hooks;

    gw_phase_log_failure(run);
    if (phase != GW_PHASE_LOG && !run->script->uses[run->pdk->use].skip) {
        run->x->error = GW_E_PLUGIN;
        set_reply(run->x, gw_problem_from_error(run->x, GW_E_PLUGIN));
        run->pdk->replied = 1;
    }
    return phase == GW_PHASE_RESPONSE || phase == GW_PHASE_LOG || !run->pdk->replied;
}

static void finish(struct gw_run *run)
{
    run->pdk->phase = 0;
    run->x->run = NULL;
    gw_run_release(run);
}

static enum gw_run_result settle(struct gw_run *run, enum gw_outcome outcome)
{
    const struct gw_pdk *pdk = run->pdk;

    while (outcome == GW_OUTCOME_FAILED && survives_failure(run)) {
        uint32_t stage = pdk->phase, at = pdk->at;

        run->pdk->use = 0; /* the way to the next hook is nobody's */
        outcome = gw_phase_enter(run, stage, at + 1);
        if (outcome == GW_OUTCOME_FAILED && pdk->phase == stage && pdk->at <= at)
            break; /* not a hook failed but the way to it: it would again */
    }
    if (outcome == GW_OUTCOME_WAITS) {
        run->x->run = run;
        return GW_RUN_WAITS;
    }
    finish(run);
    return GW_RUN_DONE;
}

static void on_end(struct gw_run *run, enum gw_outcome outcome)
{
    struct gw_exchange *x = run->x;
    gw_phase_done done = run->done;

    if (settle(run, outcome) == GW_RUN_DONE)
        done(x);
}

static enum gw_run_result out_of_memory(struct gw_exchange *x, enum gw_phase phase)
{
    gw_error("%s, request %.*s: not enough memory (lua.memory)", gw_phase_name(phase),
             GW_SLICE_ARG(x->correlation_id));
    gw_script_collect(x->script);
    if (phase != GW_PHASE_LOG) {
        x->error = GW_E_PLUGIN;
        set_reply(x, gw_problem_from_error(x, GW_E_PLUGIN));
    }
    return GW_RUN_DONE;
}

enum gw_run_result gw_phase_run(struct gw_exchange *x, enum gw_phase phase, gw_phase_done done)
{
    struct gw_script *script = x->script;
    struct gw_ctx *ctx = gw_ctx_acquire(script, x);
    struct gw_run *run = ctx ? gw_run_acquire(script) : NULL;

    if (!run)
        return out_of_memory(x, phase);
    GW_ASSERT(!x->run);
    run->x = x;
    run->pdk = &ctx->pdk;
    run->pdk->replied = run->pdk->use = run->pdk->at = 0;
    run->hooks = (int)phase;
    run->done = done;
    run->on_end = on_end;
    return settle(run, gw_phase_enter(run, 0, 1));
}

void gw_phase_cancel(struct gw_exchange *x)
{
    if (x->run)
        finish(x->run);
}

void gw_phase_end(struct gw_exchange *x)
{
    gw_phase_cancel(x);
    gw_pipe_cancel(x, GW_PHASE_REQUEST_BODY);
    gw_pipe_cancel(x, GW_PHASE_BODY);
    if (x->script)
        gw_ctx_release(x->script, x);
}
