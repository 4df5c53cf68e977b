/* Commands for Redis (lua/moongate/redis.lua): they go out now, the run wakes when their replies
 * are there. These stay with the run until Lua took them; its next commands, or its end, free what
 * was left. */
#include "base/alloc.h"
#include "script/await.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"
#include "store/redis.h"

#include <math.h>

#define PARTS_MAX 8000 /* of one command: what Lua's stack holds */
#define BYTES_MAX ((size_t)64 * 1024 * 1024)

struct redis_wait {
    struct gw_wait wait;
    struct gw_redis_job *job;
    bool done; /* Lua may take what came */
};

static void free_wait(struct redis_wait *wait)
{
    if (wait->job)
        gw_redis_job_free(wait->job);
    gw_free(wait);
}

static void cancel(struct gw_wait *wait)
{
    free_wait(container_of(wait, struct redis_wait, wait));
}

static struct redis_wait *find_done(struct gw_run *run)
{
    GW_LIST_EACH(&run->waits, node) {
        struct gw_wait *wait = container_of(node, struct gw_wait, node);

        if (wait->cancel == cancel && container_of(wait, struct redis_wait, wait)->done)
            return container_of(wait, struct redis_wait, wait);
    }
    return NULL;
}

static void forget(struct redis_wait *wait)
{
    gw_wait_end(&wait->wait);
    free_wait(wait);
}

static void on_ended(void *ctx, struct gw_redis_job *job)
{
    struct redis_wait *wait = ctx;
    struct gw_run *run = wait->wait.run;
    enum gw_redis_end end = gw_redis_job_end(job);

    wait->done = true;
    if (end != GW_REDIS_ANSWERED)
        forget(wait);
    lua_pushinteger(run->L, (lua_Integer)end);
    gw_run_wake(run, 1);
}

/* ── what is sent ── */

/* The bytes of a string, a number or a boolean, which stays on the stack. */
static struct gw_slice part_at(lua_State *L, int at)
{
    struct gw_slice text;

    if (lua_type(L, at) == LUA_TNUMBER) {
        double number = lua_tonumber(L, at);
        char digits[40];
        int len = number == floor(number) && fabs(number) < 9e15
                      ? snprintf(digits, sizeof(digits), "%.0f", number)
                      : snprintf(digits, sizeof(digits), "%.17g", number);

        lua_pushlstring(L, digits, (size_t)len);
        lua_replace(L, at);
    } else if (lua_type(L, at) != LUA_TSTRING)
        luaL_error(L, "a command of Redis is made of strings and numbers, not of a %s",
                   luaL_typename(L, at));
    text.ptr = lua_tolstring(L, at, &text.len);
    return text;
}

/* The values from `from` to the top. */
static void write_command(lua_State *L, struct gw_buf *buf, int from)
{
    int count = lua_gettop(L) - from + 1;

    if (count < 1 || count > PARTS_MAX)
        luaL_error(L, "a command of Redis has 1 to %d parts", PARTS_MAX);

    /* Lua's, so that an error loses nothing */
    struct gw_slice *parts = lua_newuserdata(L, (size_t)count * sizeof(*parts));

    for (int i = 0; i < count; i++)
        parts[i] = part_at(L, from + i);
    if (!gw_redis_write_command(buf, parts, (unsigned)count))
        luaL_error(L, "these commands of Redis are too large");
    lua_settop(L, from - 1);
}

/* A list of lists at `at`; returns how many. */
static unsigned write_list(lua_State *L, struct gw_buf *buf, int at)
{
    unsigned count = (unsigned)lua_objlen(L, at);

    for (unsigned i = 1; i <= count; i++) {
        lua_settop(L, at);
        lua_rawgeti(L, at, (int)i);

        int parts = (int)lua_objlen(L, at + 1);

        luaL_checkstack(L, parts + 4, "a command of Redis has too many parts");
        for (int k = 1; k <= parts; k++)
            lua_rawgeti(L, at + 1, k);
        write_command(L, buf, at + 2);
    }
    return count;
}

/* Index of the server, seconds, whether to wait, then a command, or a list of commands. */
int gw_await_redis(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    unsigned server = (unsigned)luaL_checkinteger(L, 1);
    double seconds = luaL_checknumber(L, 2);
    struct gw_run *run = lua_toboolean(L, 3) ? gw_wait_check(L, "redis") : NULL;
    struct gw_buf *buf = &script->redis_bytes;
    struct gw_redis_request request = { .count = 1, .timeout_us = (uint64_t)(seconds * 1e6) };

    if (!script->redis || server >= script->redis_count)
        return luaL_error(L, "redis: there is no connection here");
    buf->max = BYTES_MAX;
    gw_buf_clear(buf);
    if (lua_istable(L, 4))
        request.count = write_list(L, buf, 4);
    else
        write_command(L, buf, 4);
    request.bytes = gw_buf_slice(buf);
    if (!run) {
        gw_redis_send(script->redis, script->redis_servers[server], &request, NULL, NULL);
        return 0;
    }

    struct redis_wait *wait = find_done(run);

    if (wait)
        forget(wait);
    wait = gw_alloc_zero(sizeof(*wait));
    wait->job =
        gw_redis_send(script->redis, script->redis_servers[server], &request, on_ended, wait);
    gw_wait_begin(run, &wait->wait, cancel);
    return gw_wait_yield(L);
}

/* ── what came ── */

static void push_text(lua_State *L, const struct gw_redis_value *value)
{
    lua_pushlstring(L, value->text.ptr ? value->text.ptr : "", value->text.len);
}

/* Inside of arrays: null is redis.null, an error a table. No deeper than the reader goes. */
static void push_inner(lua_State *L,
                       const struct gw_redis_value *value) /* NOLINT(misc-no-recursion) */
{
    luaL_checkstack(L, 4, "a reply of Redis is too deep");
    switch (value->type) {
    case GW_REDIS_NIL:
        lua_pushlightuserdata(L, NULL);
        break;
    case GW_REDIS_STRING:
    case GW_REDIS_STATUS:
        push_text(L, value);
        break;
    case GW_REDIS_ERROR:
        lua_createtable(L, 0, 1);
        push_text(L, value);
        lua_setfield(L, -2, "error");
        break;
    case GW_REDIS_INTEGER:
        lua_pushnumber(L, (double)value->integer);
        break;
    case GW_REDIS_ARRAY:
        lua_createtable(L, (int)value->count, 0);
        for (unsigned i = 0; i < value->count; i++) {
            push_inner(L, value->elements[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        break;
    }
}

static int push_single(lua_State *L, const struct gw_redis_value *value)
{
    if (value->type == GW_REDIS_NIL) {
        lua_pushnil(L);
        return 1;
    }
    if (value->type == GW_REDIS_ERROR) {
        lua_pushnil(L);
        push_text(L, value);
        return 2;
    }
    push_inner(L, value);
    return 1;
}

/* Whether it was a list → a list of the replies; else the reply, or nil and the error. */
int gw_await_redis_take(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct redis_wait *wait = script->current ? find_done(script->current) : NULL;
    int count = 1;

    if (!wait)
        return luaL_error(L, "there is no reply to take");

    struct gw_redis_value *const *values = gw_redis_job_values(wait->job);

    if (lua_toboolean(L, 1)) {
        unsigned replies = gw_redis_job_count(wait->job);

        lua_createtable(L, (int)replies, 0);
        for (unsigned i = 0; i < replies; i++) {
            push_inner(L, values[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
    } else
        count = push_single(L, values[0]);
    forget(wait);
    return count;
}
