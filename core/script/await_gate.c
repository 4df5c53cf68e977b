/* Waiting at a gate (policy/gates.h): a place in its queue, or a hold. Asking is one call through
 * FFI, which costs a request that need not wait no more than the decision; who has to wait calls
 * core.gate_wait next. A ticket may be told from any thread: that comes here as a message. */
#include "base/alloc.h"
#include "base/check.h"
#include "policy/limit.h"
#include "script/await.h"
#include "script/gates.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"

#include <assert.h>
#include <math.h>

static_assert((int)GW_PDK_GATE_CROWDED == (int)GW_GATE_CROWDED, "the same words");

#define LOOK_MAX_US UINT64_C(3600000000)

enum gate_wait_state {
    UNUSED, /* the script's spare one */
    ASKED,  /* in the queue; its run is about to wait */
    WAITING,
    OVER, /* only its message is still on its way */
};

struct gw_gate_wait {
    struct gw_ticket ticket;
    struct gw_message message; /* on its way while ticket.told */
    struct gw_wait wait;
    struct gw_timer timer;
    struct gw_script *script;
    struct gw_loop *loop; /* may outlive the script */
    uint64_t until_us;    /* 0: as long as it takes */
    enum gate_wait_state state;
    bool is_hold;
    double first_look; /* seconds from when it asked */
};

struct held {
    struct gw_hold hold; /* lives in the exchange's arena */
    struct gw_gate *gate;
    struct gw_loop *loop;
};

/* ── holds of requests ─────────────────────────────────────────────────────── */

static void release(struct gw_hold *hold)
{
    struct held *held = container_of(hold, struct held, hold);

    gw_gate_leave(held->gate, held->loop->clock.now_us);
}

void gw_gate_keep(struct gw_exchange *x, struct gw_gate *gate)
{
    struct held *held = gw_arena_alloc_zero(x->arena, sizeof(*held));

    held->hold.release = release;
    held->gate = gate;
    held->loop = x->loop;
    gw_list_append(&x->holds, &held->hold.node);
}

/* ── its end ───────────────────────────────────────────────────────────────── */

/* Nobody else touches the ticket any more. */
static void let_go(struct gw_gate_wait *waits)
{
    gw_timer_stop(&waits->timer);
    if (waits->ticket.told)
        waits->state = OVER;
    else
        gw_free(waits);
}

static void finish(struct gw_gate_wait *waits, enum gw_pdk_gate result)
{
    struct gw_run *run = waits->wait.run;

    gw_wait_end(&waits->wait);
    if (waits->is_hold && result == GW_PDK_GATE_PASSED)
        gw_gate_keep(run->x, waits->ticket.gate);
    let_go(waits);
    lua_pushinteger(run->L, result);
    gw_run_wake(run, 1);
}

static void give_up(struct gw_gate_wait *waits)
{
    gw_ticket_cancel(&waits->ticket, waits->loop->clock.now_us);
    let_go(waits);
}

static void cancel(struct gw_wait *wait)
{
    give_up(container_of(wait, struct gw_gate_wait, wait));
}

/* ── waiting ───────────────────────────────────────────────────────────────── */

static void on_timer(struct gw_timer *timer);

static void look_again(struct gw_gate_wait *waits, uint64_t wait_us)
{
    uint64_t now_us = waits->loop->clock.now_us;

    if (waits->until_us && waits->until_us - now_us < wait_us)
        wait_us = waits->until_us - now_us;
    if (wait_us == UINT64_MAX)
        return;
    if (wait_us > LOOK_MAX_US) /* and looks on then, or is told when it is the first */
        wait_us = LOOK_MAX_US;
    gw_timer_start(waits->loop, &waits->timer, wait_us ? wait_us : 1, on_timer);
}

static void look(struct gw_gate_wait *waits, bool told)
{
    uint64_t now_us = waits->loop->clock.now_us, wait_us;

    if (gw_ticket_look(&waits->ticket, told, now_us, &wait_us)) {
        finish(waits, GW_PDK_GATE_PASSED);
    } else if (waits->until_us && now_us >= waits->until_us) {
        gw_ticket_cancel(&waits->ticket, now_us);
        finish(waits, GW_PDK_GATE_LATE);
    } else {
        look_again(waits, wait_us);
    }
}

static void on_timer(struct gw_timer *timer)
{
    look(container_of(timer, struct gw_gate_wait, timer), false);
}

static void on_message(struct gw_message *message, struct gw_loop *loop)
{
    struct gw_gate_wait *waits = container_of(message, struct gw_gate_wait, message);

    (void)loop;
    if (waits->state == WAITING) {
        look(waits, true);
        return;
    }
    if (waits->state == ASKED) { /* its Lua was stopped before it waited */
        waits->script->gate_asked = NULL;
        gw_ticket_cancel(&waits->ticket, waits->loop->clock.now_us);
    }
    gw_free(waits);
}

/* Under the gate's lock, from any thread. */
static void on_tell(struct gw_ticket *ticket)
{
    struct gw_gate_wait *waits = container_of(ticket, struct gw_gate_wait, ticket);

    waits->message.deliver = on_message;
    gw_loop_post(waits->loop, &waits->message);
}

/* ── asking ────────────────────────────────────────────────────────────────── */

static struct gw_gate_wait *take_spare(struct gw_script *script)
{
    struct gw_gate_wait *waits = script->gate_spare;

    if (script->gate_asked)
        gw_gate_wait_drop(script);
    if (!waits)
        waits = script->gate_spare = gw_alloc_zero(sizeof(*waits));
    waits->script = script;
    waits->loop = script->loop;
    waits->ticket.tell = on_tell;
    return waits;
}

static int outcome(struct gw_script *script, struct gw_gate_wait *waits, enum gw_gate_result result,
                   const struct gw_gate_answer *answer, struct gw_pdk_gate_answer *out)
{
    *out = (struct gw_pdk_gate_answer){
        .wait = (double)answer->wait_us / 1e6,
        .waiting = answer->waiting,
        .active = answer->active,
    };
    if (result == GW_GATE_WAITS) {
        waits->state = ASKED;
        waits->first_look = waits->is_hold ? -1 : out->wait;
        script->gate_asked = waits;
        script->gate_spare = NULL;
    }
    return (int)result;
}

int gw_pdk_gate_queue(struct gw_script *script, struct gw_gates *gates,
                      const struct gw_limit_rule *rule, const char *key, size_t len, double rate,
                      double most, double cost, struct gw_pdk_gate_answer *out)
{
    struct gw_gate_answer answer;

    if (!script->current)
        return GW_PDK_GATE_NOT_HERE;

    struct gw_gate_wait *waits = take_spare(script);

    waits->is_hold = false;
    return outcome(script, waits,
                   gw_gates_queue(gates, rule->id, gw_slice(key, len), rate, (unsigned)most, cost,
                                  script->loop->clock.now_us, &waits->ticket, &answer),
                   &answer, out);
}

int gw_pdk_gate_hold(struct gw_script *script, struct gw_gates *gates, const char *key, size_t len,
                     double limit, double most, struct gw_pdk_gate_answer *out)
{
    struct gw_exchange *x = script->current ? script->current->x : NULL;
    struct gw_gate_answer answer;

    if (!x || x->step >= GW_STEP_FINISH) /* nobody would give it back */
        return GW_PDK_GATE_NOT_HERE;

    struct gw_gate_wait *waits = take_spare(script);

    waits->is_hold = true;

    enum gw_gate_result result =
        gw_gates_hold(gates, gw_slice(key, len), (unsigned)limit, (unsigned)most,
                      script->loop->clock.now_us, &waits->ticket, &answer);

    if (result == GW_GATE_PASSED)
        gw_gate_keep(x, waits->ticket.gate);
    return outcome(script, waits, result, &answer, out);
}

/* Who asked and then never waited; and what is kept for the next. */
void gw_gate_wait_drop(struct gw_script *script)
{
    struct gw_gate_wait *asked = script->gate_asked;

    script->gate_asked = NULL;
    if (asked)
        give_up(asked);
}

void gw_gate_wait_free(struct gw_script *script)
{
    gw_gate_wait_drop(script);
    gw_free(script->gate_spare);
    script->gate_spare = NULL;
}

/* Seconds at most (0: as long as it takes) → enum gw_pdk_gate. */
int gw_await_gate(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    double seconds = luaL_checknumber(L, 1);
    struct gw_gate_wait *waits = script->gate_asked;

    if (!waits)
        return luaL_error(L, "nothing is waited for");

    const char *what = waits->is_hold ? "counter:hold" : "counter:queue";

    if (!lua_isyieldable(L)) /* gw_wait_check() does not come back */
        gw_gate_wait_drop(script);

    struct gw_run *run = gw_wait_check(L, what);

    script->gate_asked = NULL;
    waits->state = WAITING;
    waits->until_us = seconds > 0 ? waits->loop->clock.now_us + (uint64_t)ceil(seconds * 1e6) : 0;
    gw_wait_begin(run, &waits->wait, cancel);
    look_again(waits, waits->first_look < 0 ? UINT64_MAX : (uint64_t)ceil(waits->first_look * 1e6));
    return gw_wait_yield(L);
}
