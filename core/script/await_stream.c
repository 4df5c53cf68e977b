/* ctx:fetch { stream = true }: a response that is read piece by piece. It belongs to the request
 * (or task) whose Lua opened it, not to the hook: a later hook may read what an earlier one opened.
 * Lua knows it by a number, so that one which is closed, or of another request, is simply not
 * found. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/fetch.h"
#include "script/run.h"
#include "script/state.h"

#include <lauxlib.h>

#define STREAMS_MAX 16 /* open at once in one request */

struct stream {
    struct gw_list_node node; /* in the ctx's streams */
    struct gw_ctx *ctx;
    struct gw_fetch *fetch;
    double id;
    struct gw_wait wait; /* of who waits for the head or a piece; run: NULL when nobody does */
};

static struct gw_ctx *ctx_of(const struct gw_run *run)
{
    return container_of(run->pdk, struct gw_ctx, pdk);
}

static struct gw_run *current(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));

    return script->current;
}

static struct stream *find(struct gw_run *run, double id)
{
    if (!run || !run->pdk)
        return NULL;
    GW_LIST_EACH(&ctx_of(run)->streams, node) {
        struct stream *stream = container_of(node, struct stream, node);

        if (stream->id == id)
            return stream;
    }
    return NULL;
}

static void close_stream(struct stream *stream)
{
    GW_ASSERT(!stream->wait.run);
    gw_list_remove(&stream->node);
    stream->ctx->stream_count--;
    gw_fetch_free(stream->fetch);
    gw_free(stream);
}

void gw_streams_close(struct gw_ctx *ctx)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&ctx->streams)))
        close_stream(container_of(node, struct stream, node));
}

static void on_told(struct gw_fetch *fetch)
{
    struct stream *stream = fetch->owner;
    struct gw_run *run = stream->wait.run;

    if (!run)
        return; /* it lies there until somebody comes */
    stream->wait.run = NULL;
    gw_wait_end(&stream->wait);
    lua_pushnumber(run->L, stream->id);
    gw_run_wake(run, 1);
}

/* --- opening --- */

static void cancel_open(struct gw_wait *wait)
{
    struct stream *stream = container_of(wait, struct stream, wait);

    wait->run = NULL;
    close_stream(stream);
}

static struct stream *add_stream(struct gw_run *run)
{
    struct stream *stream = gw_alloc_zero(sizeof(*stream));
    struct gw_ctx *ctx = ctx_of(run);

    stream->ctx = ctx;
    stream->id = ++run->script->last_stream;
    stream->fetch = gw_fetch_new(run->script, GW_FETCH_STREAM);
    gw_list_append(&ctx->streams, &stream->node);
    ctx->stream_count++;
    return stream;
}

/* A job → the number of the stream when its head came, or it failed; or nil and what is wrong with
 * the job. */
int gw_await_stream_open(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, "ctx:fetch");

    if (run->depth >= GW_RUN_DEPTH_MAX)
        return luaL_error(L, "too many functions that wait for functions (%d)", GW_RUN_DEPTH_MAX);
    if (ctx_of(run)->stream_count >= STREAMS_MAX)
        return luaL_error(L, "too many responses are being streamed (%d): close one first",
                          STREAMS_MAX);

    struct stream *stream = add_stream(run); /* an error from here on leaves it to the request */
    const char *bad = gw_fetch_read(L, 1, stream->fetch, run);

    if (bad) {
        close_stream(stream);
        lua_pushnil(L);
        lua_pushstring(L, bad);
        return 2;
    }
    if (stream->fetch->unknown_upstream) {
        lua_pushnumber(L, stream->id);
        return 1;
    }
    gw_fetch_start(stream->fetch, on_told, stream);
    gw_wait_begin(run, &stream->wait, cancel_open);
    return gw_wait_yield(L);
}

/* The number → 0, status and headers; or why there is no head (and it is closed): code, text. */
int gw_await_stream_head(lua_State *L)
{
    struct stream *stream = find(current(L), lua_tonumber(L, 1));

    if (!stream)
        return luaL_error(L, "there is no response to take");

    struct gw_fetch *fetch = stream->fetch;

    if (!fetch->head) {
        int count = gw_fetch_push(L, fetch);

        close_stream(stream);
        return count;
    }
    lua_pushinteger(L, 0);
    lua_pushinteger(L, fetch->head->status);
    gw_fetch_push_fields(L, &fetch->head->fields);
    return 3;
}

/* --- reading --- */

static void cancel_read(struct gw_wait *wait)
{
    wait->run = NULL; /* the stream stays, another hook may go on */
}

static int push_end(lua_State *L, struct stream *stream)
{
    struct gw_fetch *fetch = stream->fetch;

    lua_pushnil(L);
    lua_pushinteger(L, (lua_Integer)fetch->error);
    if (fetch->failure)
        lua_pushstring(L, fetch->failure);
    else if (fetch->trailers)
        gw_fetch_push_fields(L, fetch->trailers);
    else
        lua_pushnil(L);
    close_stream(stream);
    return 3;
}

/* The number → a piece; or a number, after a wait: ask again; or nil, code (0: its end) and a text
 * or the trailers: then it is closed. Code -1: it was closed before. */
int gw_await_stream_read(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, "res:read");
    struct stream *stream = find(run, lua_tonumber(L, 1));

    if (!stream) {
        lua_pushnil(L);
        lua_pushinteger(L, -1);
        return 2;
    }

    struct gw_fetch *fetch = stream->fetch;

    if (stream->wait.run)
        return luaL_error(L, "res:read: another function waits for its next piece already");
    if (fetch->body.len) {
        lua_pushlstring(L, fetch->body.data, fetch->body.len);
        gw_buf_clear(&fetch->body);
        gw_fetch_go_on(fetch);
        return 1;
    }
    if (fetch->state == GW_FETCH_ENDED)
        return push_end(L, stream);
    gw_wait_begin(run, &stream->wait, cancel_read);
    return gw_wait_yield(L);
}

/* The number → true; false: it was closed before. */
int gw_await_stream_close(lua_State *L)
{
    struct stream *stream = find(current(L), lua_tonumber(L, 1));

    if (stream && stream->wait.run)
        return luaL_error(L, "res:close: another function waits for its next piece");
    if (stream)
        close_stream(stream);
    lua_pushboolean(L, stream != NULL);
    return 1;
}
