/* moongate.redis's C side but for the waiting (await_redis.c): servers are described while a script
 * is made, and known to Lua by a number. */
#include "base/alloc.h"
#include "net/tls_client.h"
#include "script/state.h"
#include "store/redis.h"

#define DEPTH 16 /* as for services */

int gw_pdk_redis_available(void)
{
    return gw_redis_available();
}

const char *gw_pdk_redis_reason(int end)
{
    return gw_redis_end_text((enum gw_redis_end)end);
}

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

static bool flag_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    bool flag = lua_toboolean(L, -1);

    lua_pop(L, 1);
    return flag;
}

static struct gw_redis_options read_options(lua_State *L)
{
    return (struct gw_redis_options){
        .name = text_field(L, "name"),
        .host = text_field(L, "host"),
        .port = (uint16_t)number_field(L, "port"),
        .unix_socket = text_field(L, "unix_socket"),
        .username = text_field(L, "username"),
        .password = text_field(L, "password"),
        .database = (unsigned)number_field(L, "database"),
        .server_name = text_field(L, "server_name"),
        .timeout_us = (uint64_t)(number_field(L, "timeout") * 1e3),
        .connect_timeout_us = (uint64_t)(number_field(L, "connect_timeout") * 1e3),
        .idle_us = (uint64_t)(number_field(L, "idle_timeout") * 1e3),
        .pool_size = (unsigned)number_field(L, "pool_size"),
        .max_commands = (unsigned)number_field(L, "max_commands"),
        .max_queued_bytes = (size_t)number_field(L, "max_queued"),
        .max_reply_bytes = (size_t)number_field(L, "max_reply"),
    };
}

static struct gw_tls_client *tls_of(lua_State *L, struct gw_slice name, char *why, size_t why_size)
{
    struct gw_tls_client_set *set = gw_tls_client_set_new();
    char label[128];
    struct gw_tls_client_options options = {
        .verify = flag_field(L, "tls_verify"),
        .depth = DEPTH,
        .ca = text_field(L, "ca"),
    };

    snprintf(label, sizeof(label), "redis %.*s", GW_SLICE_ARG(name));
    options.label = gw_slice_from(label);

    struct gw_tls_client *client = gw_tls_client_set_get(set, &options, why, why_size);

    gw_tls_client_set_free(set);
    return client;
}

int gw_redis_open_from_lua(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    char why[512];

    lua_settop(L, 1);
    if (script->loop)
        return luaL_error(L, "redis.connect: call it in init");

    struct gw_redis_options options = read_options(L); /* from here on nothing raises */

    if (flag_field(L, "tls")) {
        options.tls = tls_of(L, options.name, why, sizeof(why));
        if (!options.tls) {
            lua_pushnil(L);
            lua_pushstring(L, why);
            return 2;
        }
    }

    size_t size = (script->redis_count + 1) * sizeof(script->redis_servers[0]);

    script->redis_servers = gw_realloc(script->redis_servers, size);
    script->redis_servers[script->redis_count++] = gw_redis_server_new(&options);
    gw_tls_client_unref(options.tls);
    lua_pushinteger(L, (lua_Integer)script->redis_count - 1);
    return 1;
}

void gw_script_forget_redis(struct gw_script *script)
{
    for (unsigned i = 0; i < script->redis_count; i++)
        gw_redis_server_unref(script->redis_servers[i]);
    gw_free(script->redis_servers);
    gw_buf_deinit(&script->redis_bytes);
    script->redis_servers = NULL;
    script->redis_count = 0;
}
