/* The wires of a harness, for Lua: connections of clients, answers to dials, bytes. */
#include "harness/lua.h"
#include "net/conn.h"

/* ("ip:port") → wire */
static int harness_connect(lua_State *L)
{
    struct gw_harness *harness = gw_harness_check(L);
    const char *text = luaL_checkstring(L, 2);
    struct gw_addr peer;

    if (!gw_addr_parse(&peer, gw_slice_from(text)))
        return luaL_error(L, "'%s' is no address to come from (\"192.0.2.7\", \"[::1]:4000\")",
                          text);
    lua_pushinteger(L, (lua_Integer)gw_harness_connect(harness, &peer));
    return 1;
}

static int harness_accept(lua_State *L)
{
    unsigned wire;
    unsigned id = gw_harness_check_id(L, 2);
    struct gw_harness *harness = gw_harness_begin(L);

    wire = gw_harness_accept(harness, id);
    gw_harness_end(L);
    if (!wire)
        return 0;
    lua_pushinteger(L, (lua_Integer)wire);
    return 1;
}

static int harness_refuse(lua_State *L)
{
    unsigned id = gw_harness_check_id(L, 2);
    struct gw_harness *harness = gw_harness_begin(L);

    gw_harness_refuse(harness, id);
    gw_harness_end(L);
    return 0;
}

/* → nil when it is closed, else whether it takes more at once */
static int harness_write(lua_State *L)
{
    struct gw_conn *conn = gw_harness_wire(gw_harness_check(L), gw_harness_check_id(L, 2));
    struct gw_slice bytes;

    bytes.ptr = luaL_checklstring(L, 3, &bytes.len);
    if (!conn)
        return 0;
    lua_pushboolean(L, gw_conn_write(conn, &bytes, 1));
    return 1;
}

static int harness_shutdown(lua_State *L)
{
    struct gw_conn *conn = gw_harness_wire(gw_harness_check(L), gw_harness_check_id(L, 2));

    if (conn)
        gw_conn_shutdown(conn);
    return 0;
}

static int harness_hold(lua_State *L)
{
    struct gw_conn *conn = gw_harness_wire(gw_harness_check(L), gw_harness_check_id(L, 2));

    if (conn)
        gw_conn_hold(conn, lua_toboolean(L, 3));
    return 0;
}

/* (wire, whether the other side sees a reset) */
static int harness_close(lua_State *L)
{
    gw_harness_close_wire(gw_harness_check(L), gw_harness_check_id(L, 2), lua_toboolean(L, 3));
    return 0;
}

const luaL_Reg gw_harness_wire_methods[] = {
    { "connect", harness_connect }, { "accept", harness_accept },
    { "refuse", harness_refuse },   { "write", harness_write },
    { "hold", harness_hold },       { "shutdown", harness_shutdown },
    { "close", harness_close },     { NULL, NULL },
};
