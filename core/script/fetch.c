/* The life of a fetch: opened by the job, started, told by its call, ended once. Its producer is a
 * child run of who asked; it starts when everybody else had a turn, waits while the call has no
 * room, and is cancelled when the response ends before it. */
#include "script/fetch.h"

#include "base/alloc.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "upstream/call.h"

#include <lauxlib.h>
#include <stdint.h>

#define BURST (256 * 1024) /* bytes of a producer in one turn … */
#define PIECE_COST 256     /* … to which each piece adds this */

struct gw_fetch *gw_fetch_new(struct gw_script *script, enum gw_fetch_mode mode)
{
    struct gw_fetch *fetch = gw_alloc_zero(sizeof(*fetch));

    fetch->script = script;
    fetch->mode = mode;
    fetch->arena = gw_arena_new();
    fetch->account = gw_script_account(script);
    fetch->account->fetches++;
    return fetch;
}

/* --- the end --- */

static void drop_producer(struct gw_fetch *fetch)
{
    gw_defer_cancel(&fetch->later);
    if (fetch->producer)
        gw_run_release(fetch->producer);
    fetch->producer = NULL;
}

static void stop(struct gw_fetch *fetch, enum gw_error why)
{
    struct gw_stream *call = fetch->call;

    gw_timer_stop(&fetch->deadline);
    drop_producer(fetch);
    fetch->call = NULL;
    if (!call)
        return;
    gw_stream_close(call, why);
    if (fetch->state == GW_FETCH_ASKED && fetch->script->watch)
        fetch->script->watch->ended(fetch->script->watch, fetch->service_name, gw_call_info(call),
                                    why);
}

void gw_fetch_free(struct gw_fetch *fetch)
{
    if (!fetch)
        return;
    stop(fetch, GW_E_CANCELLED);
    fetch->account->fetches--;
    gw_buf_deinit(&fetch->body);
    gw_free(fetch->failure);
    gw_arena_free(fetch->arena);
    gw_free(fetch);
}

static void end(struct gw_fetch *fetch, enum gw_error error)
{
    stop(fetch, error);
    fetch->state = GW_FETCH_ENDED;
    fetch->error = error;
    fetch->tell(fetch);
}

/* --- what the call tells --- */

static void on_head(void *owner, struct gw_head *head, bool last)
{
    struct gw_fetch *fetch = owner;

    if (head->status == 101) { /* nobody asked for it */
        end(fetch, GW_E_UPSTREAM_PROTOCOL);
        return;
    }
    if (head->status < 200)
        return;
    fetch->head = head;
    if (last)
        end(fetch, GW_OK);
    else if (fetch->mode == GW_FETCH_STREAM)
        fetch->tell(fetch);
}

/* A streamed piece that nobody waits for holds the call until it was taken. One that is waited for
 * does not: who took it will most often come back for the next at once, and the one after that
 * would hold. So at most one read lies here. */
static void on_body(void *owner, struct gw_slice bytes, bool last)
{
    struct gw_fetch *fetch = owner;
    bool lies = fetch->body.len > 0;

    if (!gw_buf_append(&fetch->body, bytes)) {
        end(fetch, GW_E_UPSTREAM_BODY_TOO_LARGE);
        return;
    }
    if (last) {
        end(fetch, GW_OK);
        return;
    }
    if (fetch->mode == GW_FETCH_COLLECT)
        return;
    if (lies && !fetch->held) {
        fetch->held = true;
        gw_stream_hold(fetch->call, true);
    }
    fetch->tell(fetch);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_fetch *fetch = owner;

    fetch->trailers = trailers;
    end(fetch, GW_OK);
}

static void wake_producer(struct gw_fetch *fetch)
{
    struct gw_run *producer = fetch->room.run;

    if (!producer)
        return; /* none, or it has something else to wait for */
    fetch->room.run = NULL;
    gw_wait_end(&fetch->room);
    gw_defer_cancel(&fetch->later);
    gw_run_wake(producer, 0);
}

static void on_room(void *owner)
{
    wake_producer(owner);
}

static void on_stream_end(void *owner, enum gw_error why)
{
    end(owner, why ? why : GW_E_RESET);
}

static void on_deadline(struct gw_timer *timer)
{
    end(container_of(timer, struct gw_fetch, deadline), GW_E_TOTAL_TIMEOUT);
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_stream_end,
};

void gw_fetch_go_on(struct gw_fetch *fetch)
{
    if (fetch->held && fetch->call) {
        fetch->held = false;
        gw_stream_hold(fetch->call, false);
    }
}

/* --- the producer --- */

static void on_produced(struct gw_run *run, enum gw_outcome outcome)
{
    struct gw_fetch *fetch = run->owner;

    if (outcome == GW_OUTCOME_FAILED) {
        fetch->failure = run->failure;
        run->failure = NULL;
        end(fetch, GW_E_PLUGIN);
        return;
    }
    drop_producer(fetch);
    gw_stream_send_body(fetch->call, GW_SLICE_EMPTY, NULL, true);
}

static void on_begin(struct gw_defer *defer)
{
    struct gw_fetch *fetch = container_of(defer, struct gw_fetch, later);
    enum gw_outcome outcome = gw_run_resume(fetch->producer, 1);

    if (outcome != GW_OUTCOME_WAITS)
        on_produced(fetch->producer, outcome);
}

static void on_turn(struct gw_defer *defer)
{
    wake_producer(container_of(defer, struct gw_fetch, later));
}

static void cancel_room(struct gw_wait *wait)
{
    struct gw_fetch *fetch = container_of(wait, struct gw_fetch, room);

    wait->run = NULL;
    gw_defer_cancel(&fetch->later);
}

/* The producer's next piece: waits while the call has no room, and after so many bytes once, so
 * that one which never waits by itself leaves turns to others. */
int gw_await_fetch_send(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, "the function of a body");
    struct gw_slice piece;

    piece.ptr = luaL_checklstring(L, 1, &piece.len);
    if (run->on_end != on_produced)
        return luaL_error(L, "only the function of a body can send");

    struct gw_fetch *fetch = run->owner;
    bool has_room = gw_stream_send_body(fetch->call, piece, NULL, false);

    fetch->burst += piece.len + PIECE_COST;
    if (has_room && fetch->burst < BURST)
        return 0;
    fetch->burst = 0;
    if (has_room)
        gw_loop_defer(fetch->script->loop, &fetch->later, on_turn);
    gw_wait_begin(run, &fetch->room, cancel_room);
    return gw_wait_yield(L);
}

/* Its run gets the function that asks for one piece after the other and the plugin's own. */
static void take_producer(lua_State *L, int index, struct gw_fetch *fetch, struct gw_run *run)
{
    struct gw_run *producer = gw_run_acquire_child(run);

    if (!producer)
        luaL_error(L, "not enough memory (lua.memory)");
    fetch->producer = producer;
    producer->owner = fetch;
    producer->on_end = on_produced;
    producer->phase = GW_PDK_APART; /* the hook may be over before it */
    lua_getfield(L, index, "producer");
    lua_getfield(L, index, "body_function");
    lua_xmove(L, producer->L, 2);
}

/* --- the beginning --- */

static uint64_t body_limit(const struct gw_script *script, const struct gw_run *run)
{
    const struct gw_exchange *x = run->x;

    return x ? x->limits->buffer : script->config->limits.buffer;
}

static void open_call(struct gw_fetch *fetch, const struct gw_fetch_job *job, struct gw_run *run,
                      struct gw_upstream *upstream)
{
    struct gw_script *script = fetch->script;
    struct gw_arena *arena = fetch->arena;
    const struct gw_service *service =
        job->service ? &script->config->services[job->service - 1] : NULL;
    struct gw_call_options options = {
        .loop = script->loop,
        .pool = script->pool,
        .arena = arena,
        .service = service,
        .upstream = upstream,
        .target_host = gw_arena_copy(arena, job->host),
        .target_port = job->port,
        .tls = job->tls ? script->config->fetch_tls : NULL,
        .deadline_us =
            job->timeout > 0 ? script->loop->clock.now_us + (uint64_t)(job->timeout * 1e6) : 0,
        .retries = -1,
        .authority_of_target = job->upstream.len > 0,
        .body = gw_arena_copy(arena, job->body),
        .has_body = job->has_body,
        .correlation_id = run->x ? gw_arena_copy(arena, run->x->correlation_id) : GW_SLICE_EMPTY,
    };

    fetch->service_name = service ? service->name : gw_arena_copy(arena, job->upstream);
    fetch->call = gw_call_open(&options);
    gw_stream_bind(fetch->call, &events, fetch);
}

const char *gw_fetch_read(lua_State *L, int index, struct gw_fetch *fetch, struct gw_run *run)
{
    struct gw_script *script = fetch->script;
    struct gw_upstream *upstream = NULL;
    struct gw_fetch_job job;
    uint32_t most = script->config->lua_fetches;

    if (most && fetch->account->fetches > most) {
        gw_script_count_breach(script, fetch->account, GW_BREACH_FETCHES);
        return "this plugin has too many requests under way (lua.fetches)";
    }
    gw_fetch_read_job(L, index, &job);

    GW_ASSERT(!job.tls || script->config->fetch_tls); /* lua/moongate/fetch_request.lua */

    const char *bad = gw_fetch_make_head(L, index, fetch, &job);

    if (bad)
        return bad;
    if (job.upstream.len) {
        upstream = gw_registry_find(script->registry, script->config, job.upstream);
        fetch->unknown_upstream = upstream == NULL;
    }
    gw_buf_init(&fetch->body,
                fetch->mode == GW_FETCH_COLLECT ? (size_t)body_limit(script, run) : SIZE_MAX);
    fetch->timeout_us = (uint64_t)(job.timeout * 1e6);
    if (fetch->unknown_upstream)
        return NULL;
    if (job.produces)
        take_producer(L, index, fetch, run);
    open_call(fetch, &job, run, upstream);
    return NULL;
}

void gw_fetch_start(struct gw_fetch *fetch, gw_fetch_cb tell, void *owner)
{
    struct gw_script *script = fetch->script;

    fetch->tell = tell;
    fetch->owner = owner;
    fetch->state = GW_FETCH_ASKED;
    if (script->watch)
        script->watch->begun(script->watch, fetch->service_name);
    /* A body in memory is sent by the call itself, again at every try. */
    gw_stream_send_head(fetch->call, &fetch->request, !fetch->producer);
    if (fetch->producer)
        gw_loop_defer(script->loop, &fetch->later, on_begin);
    if (fetch->timeout_us)
        gw_timer_start(script->loop, &fetch->deadline, fetch->timeout_us, on_deadline);
}

/* --- the result --- */

void gw_fetch_push_fields(lua_State *L, const struct gw_fields *fields)
{
    lua_createtable(L, (int)fields->count * 2, 0);
    for (unsigned i = 0; i < fields->count; i++) {
        const struct gw_field *field = &fields->items[i];

        lua_pushlstring(L, field->name.ptr, field->name.len);
        lua_rawseti(L, -2, (int)i * 2 + 1);
        lua_pushlstring(L, field->value.ptr ? field->value.ptr : "", field->value.len);
        lua_rawseti(L, -2, (int)i * 2 + 2);
    }
}

int gw_fetch_push(lua_State *L, const struct gw_fetch *fetch)
{
    lua_pushinteger(L, fetch->unknown_upstream ? -1 : (lua_Integer)fetch->error);
    if (fetch->unknown_upstream || fetch->error) {
        if (fetch->failure)
            lua_pushstring(L, fetch->failure);
        else
            lua_pushnumber(L, (lua_Number)fetch->body.max);
        return 2;
    }
    lua_pushinteger(L, fetch->head->status);
    gw_fetch_push_fields(L, &fetch->head->fields);
    lua_pushlstring(L, fetch->body.data ? fetch->body.data : "", fetch->body.len);
    if (fetch->trailers)
        gw_fetch_push_fields(L, fetch->trailers);
    else
        lua_pushnil(L);
    return 5;
}
