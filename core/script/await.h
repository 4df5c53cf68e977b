#pragma once
/* The functions of Lua that wait, one file each. Upvalue 1 is the script. What they take has been
 * checked by lua/moongate/pdk. */
#include <lua.h>

struct gw_script;

int gw_await_sleep(lua_State *L); /* seconds */

/* Bytes of a body that is made while it is sent → true once there is room for more; nil, "closed"
 * outside the function that makes it. */
int gw_await_send(lua_State *L);

/* enum gw_pdk_head, most bytes → enum gw_error; the bytes by gw_pdk_body() */
int gw_await_body(lua_State *L);

/* An array of functions and jobs (lua/moongate/fetch.lua), how many, whether the first is enough,
 * what the functions get, what the verb is called → place of who won (0: none), of the first that
 * failed, of the first function that failed. Or a negative place and what is wrong with that job:
 * then nothing started. */
int gw_await_group(lua_State *L);
/* The result at a place, once: code, then what gw_fetch_push() says, or what the function
 * returned. */
int gw_await_group_take(lua_State *L);
int gw_await_group_end(lua_State *L); /* forgets the results that nobody took */

/* await_stream.c, where what they answer is described */
int gw_await_stream_open(lua_State *L);
int gw_await_stream_head(lua_State *L);
int gw_await_stream_read(lua_State *L);
int gw_await_stream_close(lua_State *L);

/* A piece of a request's body, from the function that makes it. */
int gw_await_fetch_send(lua_State *L);

/* Seconds at most (0: as long as it takes), behind an ask that has to wait → enum gw_pdk_gate. */
int gw_await_gate(lua_State *L);

/* A counter, then keys and rules in turn → whether they were loaded */
int gw_await_quota(lua_State *L);

/* await_redis.c, where what they take is described → enum gw_redis_end; what came by _take,
 * once. */
int gw_await_redis(lua_State *L);
int gw_await_redis_take(lua_State *L);

/* A task's function, its `t`, use, seconds between two runs (nil: once), seconds before the
 * first; makes `t` of its handle. */
int gw_task_declare(lua_State *L);
