#include "script/pipe.h"

#include "base/log.h"
#include "script/phase_private.h"

static struct gw_run **place_of(struct gw_exchange *x, enum gw_phase phase)
{
    GW_ASSERT(phase == GW_PHASE_REQUEST_BODY || phase == GW_PHASE_BODY);
    return &x->body_run[phase - GW_PHASE_REQUEST_BODY];
}

static void finish(struct gw_run *run)
{
    run->pdk->phase = 0;
    *place_of(run->x, (enum gw_phase)run->hooks) = NULL;
    gw_run_release(run);
}

/* ── garbage ───────────────────────────────────────────────────────────────── */

#define GARBAGE_MIN ((size_t)4 * 1024 * 1024)
#define STEP_KIB 512

static int step(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, 1);

    if (!lua_gc(L, LUA_GCSTEP, STEP_KIB))
        return 0; /* the cycle goes on with the next piece */

    size_t live = gw_script_memory(script);

    script->heap_limit = live + (live > GARBAGE_MIN ? live : GARBAGE_MIN);
    return 0;
}

/* Lua collects a little at each allocation, whatever its size: strings as large as pieces run away
 * from it, a gigabyte to a hundred megabytes of heap. Where the heap is beyond twice of what lives
 * in it, each piece does a share of the work. */
static void tidy(struct gw_script *script)
{
    if (gw_script_memory(script) > script->heap_limit)
        gw_script_protect(script, step, script, NULL);
}

/* ── running ───────────────────────────────────────────────────────────────── */

/* A hook whose use says on_error: skip is left out from here on; its piece goes to the one behind
 * it as it was. Lua knows piece and end: an error takes the coroutine, not what the ctx holds. */
static enum gw_outcome go_on_behind(struct gw_run *run, enum gw_outcome outcome)
{
    const struct gw_pdk *pdk = run->pdk;

    while (outcome == GW_OUTCOME_FAILED) {
        uint32_t at = pdk->at;

        gw_phase_log_failure(run);
        if (!run->script->uses[pdk->use].skip)
            break;
        run->pdk->use = 0; /* the way to the next hook is nobody's */
        outcome = gw_phase_enter(run, 0, at + 1);
        if (outcome == GW_OUTCOME_FAILED && pdk->at <= at)
            break; /* not a hook failed but the way to it: it would again */
    }
    return outcome;
}

/* Lua left the bytes in the handle. */
static enum gw_pipe_result settle(struct gw_run *run, enum gw_outcome outcome, struct gw_slice *out)
{
    outcome = go_on_behind(run, outcome);
    if (outcome == GW_OUTCOME_WAITS) {
        *place_of(run->x, (enum gw_phase)run->hooks) = run;
        return GW_PIPE_WAITS;
    }
    *out = gw_slice(run->pdk->ptr, run->pdk->len);
    finish(run);
    return outcome == GW_OUTCOME_FAILED ? GW_PIPE_FAILED : GW_PIPE_DONE;
}

static void on_end(struct gw_run *run, enum gw_outcome outcome)
{
    struct gw_exchange *x = run->x;
    enum gw_phase phase = (enum gw_phase)run->hooks;
    struct gw_slice out;
    enum gw_pipe_result result = settle(run, outcome, &out);

    if (result != GW_PIPE_WAITS)
        x->ops->on_piped(x, phase, result == GW_PIPE_FAILED, out);
}

static enum gw_pipe_result out_of_memory(struct gw_exchange *x, enum gw_phase phase)
{
    gw_error("%s, request %.*s: not enough memory (lua.memory)", gw_phase_name(phase),
             GW_SLICE_ARG(x->correlation_id));
    gw_script_collect(x->script);
    return GW_PIPE_FAILED;
}

enum gw_pipe_result gw_pipe_run(struct gw_exchange *x, enum gw_phase phase, struct gw_slice piece,
                                bool last, struct gw_slice *out)
{
    struct gw_script *script = x->script;

    tidy(script); /* before: what comes out must live until it was sent */

    struct gw_ctx *ctx = gw_ctx_acquire(script, x);
    struct gw_run *run = ctx ? gw_run_acquire(script) : NULL;

    if (!run)
        return out_of_memory(x, phase);
    GW_ASSERT(!*place_of(x, phase));
    run->x = x;
    run->pdk = &ctx->pdk;
    run->pdk->use = run->pdk->at = 0;
    run->pdk->ptr = piece.ptr ? piece.ptr : "";
    run->pdk->len = piece.len;
    run->hooks = (int)phase;
    run->on_end = on_end;
    return settle(run, gw_phase_enter(run, last, 1), out);
}

void gw_pipe_cancel(struct gw_exchange *x, enum gw_phase phase)
{
    struct gw_run *run = *place_of(x, phase);

    if (run)
        finish(run);
}
