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

/* A checked request (lua/moongate/fetch.lua says which fields) → enum gw_error, after GW_OK
 * gw_await_fetch_take() at once; -1: no such upstream; with a second result: what is wrong. */
int gw_await_fetch(lua_State *L);
int gw_await_fetch_take(lua_State *L); /* → status, headers, body */
