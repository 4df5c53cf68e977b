/* moongate.sink's C side. Sinks are opened while a script is made and are known to Lua by a number,
 * so that who keeps one for too long finds it closed. */
#include "base/alloc.h"
#include "script/state.h"
#include "sink/sink.h"

#include <string.h>

static const char *const kinds[] = {
    [GW_SINK_FILE] = "file",     [GW_SINK_TCP] = "tcp",   [GW_SINK_UDP] = "udp",
    [GW_SINK_SYSLOG] = "syslog", [GW_SINK_HTTP] = "http",
};

/* Borrowed while the table is on the stack. */
static struct gw_slice text_field(lua_State *L, const char *name)
{
    struct gw_slice text = GW_SLICE_EMPTY;

    lua_getfield(L, 1, name);
    if (lua_type(L, -1) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, -1, &text.len);
    lua_pop(L, 1);
    return text;
}

static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double number = lua_tonumber(L, -1);

    lua_pop(L, 1);
    return number;
}

static uint64_t seconds_field(lua_State *L, const char *name)
{
    return (uint64_t)(number_field(L, name) * 1e6);
}

static struct gw_sink_limits read_limits(lua_State *L)
{
    return (struct gw_sink_limits){
        .max_entries = (unsigned)number_field(L, "max_entries"),
        .max_bytes = (size_t)number_field(L, "max_bytes"),
        .max_batch_size = (unsigned)number_field(L, "max_batch_size"),
        .max_coalescing_delay_us = seconds_field(L, "max_coalescing_delay"),
        .initial_retry_delay_us = seconds_field(L, "initial_retry_delay"),
        .max_retry_delay_us = seconds_field(L, "max_retry_delay"),
        .max_retry_time_us = seconds_field(L, "max_retry_time"),
    };
}

/* From a flat array of names and values; what it points to is borrowed like the other texts. */
static void read_headers(lua_State *L, struct gw_fields *fields, struct gw_arena *arena)
{
    lua_getfield(L, 1, "headers");
    for (int i = 1; lua_istable(L, -1) && i < (int)lua_objlen(L, -1); i += 2) {
        struct gw_slice name, value;

        lua_rawgeti(L, -1, i);
        lua_rawgeti(L, -2, i + 1);
        name.ptr = lua_tolstring(L, -2, &name.len);
        value.ptr = lua_tolstring(L, -1, &value.len);
        gw_fields_add(fields, arena, name, value);
        lua_pop(L, 2); /* the array keeps them */
    }
    lua_pop(L, 1);
}

static struct gw_sink_options read_options(lua_State *L, struct gw_arena *arena)
{
    struct gw_slice kind = text_field(L, "kind");
    struct gw_sink_options options = {
        .limits = read_limits(L),
        .path = text_field(L, "path"),
        .host = text_field(L, "host"),
        .port = (uint16_t)number_field(L, "port"),
        .timeout_us = seconds_field(L, "timeout"),
        .keepalive_us = seconds_field(L, "keepalive"),
        .authority = text_field(L, "authority"),
        .method = text_field(L, "method"),
        .target = text_field(L, "target"),
    };

    for (size_t i = 0; i < GW_ARRAY_LEN(kinds); i++)
        if (gw_slice_equal(kind, gw_slice_from(kinds[i])))
            options.kind = (enum gw_sink_kind)i;
    lua_getfield(L, 1, "reopen");
    options.reopen = lua_toboolean(L, -1);
    lua_getfield(L, 1, "tls");
    options.tls = lua_toboolean(L, -1);
    lua_pop(L, 2);
    read_headers(L, &options.headers, arena);
    return options;
}

static void keep(struct gw_script *script, struct gw_sink *sink)
{
    size_t size = (script->open_sink_count + 1) * sizeof(struct gw_sink *);

    script->open_sinks = gw_realloc(script->open_sinks, size);
    script->open_sinks[script->open_sink_count++] = sink;
}

int gw_sink_open_from_lua(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    char why[512];

    lua_settop(L, 1);
    if (script->loop)
        return luaL_error(L, "sinks are opened in init");
    if (!script->sinks) {
        lua_pushinteger(L, -1);
        return 1;
    }

    struct gw_arena *arena = gw_arena_new(); /* nothing below raises: the fields are there */
    struct gw_sink_options options = read_options(L, arena);
    struct gw_sink *sink = gw_sinks_open(script->sinks, &options, why, sizeof(why));

    gw_arena_free(arena);
    if (!sink) {
        lua_pushnil(L);
        lua_pushstring(L, why);
        return 2;
    }
    keep(script, sink);
    lua_pushinteger(L, (lua_Integer)script->open_sink_count - 1);
    return 1;
}

int gw_pdk_sink_put(struct gw_script *script, uint32_t sink, const char *line, size_t len)
{
    if (sink >= script->open_sink_count)
        return GW_PDK_SINK_CLOSED;
    return gw_sink_put(script->open_sinks[sink], gw_slice(line, len)) ? GW_PDK_SINK_PUT
                                                                      : GW_PDK_SINK_FULL;
}

void gw_script_close_sinks(struct gw_script *script)
{
    for (unsigned i = 0; i < script->open_sink_count; i++)
        gw_sink_close(script->open_sinks[i]);
    gw_free(script->open_sinks);
    script->open_sinks = NULL;
    script->open_sink_count = 0;
}
