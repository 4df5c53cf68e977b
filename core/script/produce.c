/* ctx.response:stream(): a body that a function makes bit by bit, while the client takes it. To
 * proxy it is the stream of a reply; behind it is a run. What the function sends is kept until the
 * turn ends, small pieces together; beyond a little it waits until the client has taken them. */
#include "base/buf.h"
#include "base/log.h"
#include "http/reply_stream.h"
#include "script/await.h"
#include "script/phase_private.h"
#include "script/wait.h"

#define KEPT_MAX ((size_t)64 * 1024) /* sent, but not yet taken: then the function waits */

struct producer {
    struct gw_reply reply; /* its answer */
    struct gw_exchange *x;
    uint32_t use; /* whose function it is */
    struct gw_stream stream;
    struct gw_defer work;
    struct gw_run *run;  /* NULL: not begun, or over */
    struct gw_wait room; /* send() waits */
    struct gw_buf kept;
    bool head_told, begun, over, failed, told_end, held, closed, waits;
};

static const struct gw_stream_ops producer_ops;

static struct producer *producer_of(struct gw_stream *stream)
{
    return container_of(stream, struct producer, stream);
}

static void work(struct gw_defer *defer);

static void schedule(struct producer *p)
{
    if (!p->closed)
        gw_loop_defer(p->x->loop, &p->work, work);
}

/* ── the function ──────────────────────────────────────────────────────────── */

static void finish(struct producer *p, enum gw_outcome outcome)
{
    struct gw_run *run = p->run;

    if (outcome == GW_OUTCOME_FAILED)
        gw_phase_log_failure(run);
    p->over = true;
    p->failed = outcome == GW_OUTCOME_FAILED;
    p->run = NULL;
    run->pdk->phase = 0;
    gw_run_release(run);
    schedule(p);
}

static void on_end(struct gw_run *run, enum gw_outcome outcome)
{
    finish(producer_of(run->x->up), outcome);
}

static void begin(struct producer *p)
{
    struct gw_exchange *x = p->x;
    struct gw_ctx *ctx = gw_ctx_acquire(x->script, x);
    struct gw_run *run = ctx ? gw_run_acquire(x->script) : NULL;

    p->begun = true;
    if (!run) {
        gw_error("stream, request %.*s: not enough memory (lua.memory)",
                 GW_SLICE_ARG(x->correlation_id));
        gw_script_collect(x->script);
        p->over = p->failed = true;
        schedule(p);
        return;
    }
    p->run = run;
    run->x = x;
    run->pdk = &ctx->pdk;
    run->pdk->use = p->use;
    run->pdk->at = 0;
    run->hooks = GW_PHASE_STREAM;
    run->on_end = on_end;

    enum gw_outcome outcome = gw_phase_enter(run, 0, 1);

    if (outcome != GW_OUTCOME_WAITS)
        finish(p, outcome);
}

static void wake(struct producer *p)
{
    struct gw_run *run = p->run;

    p->waits = false;
    gw_wait_end(&p->room);
    lua_pushboolean(run->L, true);
    gw_run_wake(run, 1);
}

static void cancel_room(struct gw_wait *wait)
{
    container_of(wait, struct producer, room)->waits = false;
}

/* The producer whose function calls; NULL when that is over, or it is another's. */
static struct producer *calling(const struct gw_run *run)
{
    struct gw_stream *up = run->x ? run->x->up : NULL;
    struct producer *p = up && up->ops == &producer_ops ? producer_of(up) : NULL;

    return p && p->run == run ? p : NULL;
}

int gw_await_send(lua_State *L)
{
    struct gw_slice chunk;
    struct gw_run *run = gw_wait_check(L, "send");
    struct producer *p = calling(run);

    chunk.ptr = luaL_checklstring(L, 1, &chunk.len);
    if (!p) {
        lua_pushnil(L);
        lua_pushliteral(L, "closed");
        return 2;
    }
    gw_buf_append(&p->kept, chunk);
    schedule(p);
    if (p->kept.len < KEPT_MAX) {
        lua_pushboolean(L, true);
        return 1;
    }
    p->waits = true;
    gw_wait_begin(run, &p->room, cancel_room);
    return gw_wait_yield(L);
}

/* ── the stream ────────────────────────────────────────────────────────────── */

static struct gw_head *make_head(struct producer *p)
{
    struct gw_head *head = gw_arena_alloc_zero(p->stream.arena, sizeof(*head));

    head->status = p->reply.status;
    head->version = 11;
    head->fields = p->reply.fields;
    head->body_length = GW_BODY_UNKNOWN;
    return head;
}

/* Where there is no body by definition the function never runs. */
static void tell_head(struct producer *p)
{
    p->head_told = true;
    p->told_end = gw_status_has_no_body(p->reply.status, p->x->request.method);
    schedule(p);
    p->stream.events->on_head(p->stream.owner, make_head(p), p->told_end);
}

/* The buffer leaves the producer for the call, because the call may close it. */
static void deliver(struct producer *p, bool end)
{
    struct gw_buf taken = p->kept;
    bool small = taken.len <= KEPT_MAX;

    gw_buf_init(&p->kept, SIZE_MAX);
    p->stream.events->on_body(p->stream.owner, gw_buf_slice(&taken), end);
    if (!small || p->closed || p->kept.len) {
        gw_buf_deinit(&taken);
        return;
    }
    gw_buf_clear(&taken); /* its memory serves again */
    p->kept = taken;
}

/* One event upwards a call, since each may hold or close. */
static void work(struct gw_defer *defer)
{
    struct producer *p = container_of(defer, struct producer, work);

    if (!p->stream.events || p->closed || p->told_end)
        return;
    if (!p->head_told) {
        tell_head(p);
        return;
    }
    if (p->failed) {
        p->told_end = true;
        p->stream.events->on_end(p->stream.owner, GW_E_PLUGIN);
        return;
    }
    if (p->held)
        return;
    if (p->over || p->kept.len) {
        p->told_end = p->over;
        deliver(p, p->over);
        if (p->closed || p->told_end || p->held)
            return;
    }
    if (!p->begun)
        begin(p);
    else if (p->waits)
        wake(p);
}

static void hold(struct gw_stream *stream, bool on)
{
    struct producer *p = producer_of(stream);

    p->held = on;
    if (!on)
        schedule(p);
}

static void close_stream(struct gw_stream *stream, enum gw_error why)
{
    struct producer *p = producer_of(stream);

    (void)why;
    p->closed = true;
    p->stream.events = NULL;
    gw_defer_cancel(&p->work);
    gw_buf_deinit(&p->kept);
    if (!p->run)
        return;
    p->run->pdk->phase = 0;
    gw_run_release(p->run);
    p->run = NULL;
}

static const struct gw_stream_ops producer_ops = {
    .send_head = gw_reply_drop_head,
    .send_body = gw_reply_drop_body,
    .send_trailers = gw_reply_drop_trailers,
    .hold = hold,
    .close = close_stream,
};

static struct gw_stream *open_producer(struct gw_reply *reply)
{
    struct producer *p = container_of(reply, struct producer, reply);

    schedule(p);
    return &p->stream;
}

struct gw_reply *gw_produce(struct gw_exchange *x, const struct gw_reply *draft, uint32_t use)
{
    struct producer *p = gw_arena_alloc_zero(x->arena, sizeof(*p));

    p->reply = *draft;
    p->reply.open = open_producer;
    p->x = x;
    p->use = use;
    p->stream.ops = &producer_ops;
    p->stream.arena = x->arena;
    gw_buf_init(&p->kept, SIZE_MAX);
    return &p->reply;
}
