/* What a plugin asks for, as the table that lua/moongate/fetch.lua made of it, becomes the head
 * that goes on the wire: here its bytes are checked. */
#include "http/uri.h"
#include "script/fetch.h"
#include "script/pdk_common.h"
#include "script/state.h"

#include <lauxlib.h>
#include <string.h>

static struct gw_slice text_field(lua_State *L, int index, const char *name)
{
    struct gw_slice text = GW_SLICE_EMPTY;

    lua_getfield(L, index, name);
    if (lua_type(L, -1) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, -1, &text.len);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static double number_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    double number = lua_tonumber(L, -1);

    lua_pop(L, 1);
    return number;
}

void gw_fetch_read_job(lua_State *L, int index, struct gw_fetch_job *job)
{
    *job = (struct gw_fetch_job){
        .service = (int)number_field(L, index, "service"),
        .upstream = text_field(L, index, "upstream"),
        .host = text_field(L, index, "host"),
        .port = (uint16_t)number_field(L, index, "port"),
        .authority = text_field(L, index, "authority"),
        .method = text_field(L, index, "method"),
        .path = text_field(L, index, "path"),
        .body = text_field(L, index, "body"),
        .timeout = number_field(L, index, "timeout"),
    };
    job->has_body = job->body.ptr != NULL;
    lua_getfield(L, index, "tls");
    job->tls = lua_toboolean(L, -1);
    lua_pop(L, 1);
    lua_getfield(L, index, "producer");
    job->produces = lua_isfunction(L, -1);
    lua_pop(L, 1);
}

/* Path and query of the job behind the service's own path; what is wrong with them, or NULL. */
static const char *set_target(struct gw_head *head, struct gw_arena *arena, struct gw_slice prefix,
                              struct gw_slice target)
{
    const char *mark = memchr(target.ptr, '?', target.len);
    size_t path_len = mark ? (size_t)(mark - target.ptr) : target.len;

    if (prefix.len && prefix.ptr[prefix.len - 1] == '/')
        prefix.len--;

    struct gw_slice path =
        gw_arena_printf(arena, "%.*s%.*s", GW_SLICE_ARG(prefix), (int)path_len, target.ptr);

    if (gw_uri_normalise_path(path, arena, &head->path))
        return "the path is not valid";
    head->has_query = mark != NULL;
    if (mark)
        head->query = gw_arena_copy(arena, gw_slice_skip(target, path_len + 1));
    if (head->query.len &&
        (!gw_visible_valid(head->query) || memchr(head->query.ptr, '#', head->query.len)))
        return "the query is not valid: it must be encoded";
    return NULL;
}

/* From a flat array on the top of the stack; what is wrong with one, or NULL. */
static const char *set_fields(lua_State *L, struct gw_head *head, struct gw_arena *arena)
{
    int count = (int)lua_objlen(L, -1);

    for (int i = 1; i < count; i += 2) {
        struct gw_slice name, value;

        lua_rawgeti(L, -1, i);
        lua_rawgeti(L, -2, i + 1);
        name.ptr = lua_tolstring(L, -2, &name.len);
        value.ptr = lua_tolstring(L, -1, &value.len);
        name = gw_arena_copy(arena, name);
        value = gw_arena_copy(arena, value);
        lua_pop(L, 2);
        if (gw_slice_equal(name, GW_SLICE("host"))) {
            if (gw_uri_parse_authority(value, arena, &head->authority))
                return "the Host header is not valid";
            continue;
        }
        switch (gw_pdk_check_field(name, value)) {
        case GW_PDK_FINE:
            gw_fields_add(&head->fields, arena, name, value);
            break;
        case GW_PDK_FRAMING:
            return "the core writes framing and connection headers itself";
        default:
            return "a header's name or value has bytes that may not stand there";
        }
    }
    return NULL;
}

const char *gw_fetch_make_head(lua_State *L, int index, struct gw_fetch *fetch,
                               const struct gw_fetch_job *job)
{
    const struct gw_config *config = fetch->script->config;
    const struct gw_service *service = job->service ? &config->services[job->service - 1] : NULL;
    struct gw_slice authority = service ? service->authority : job->authority;
    struct gw_arena *arena = fetch->arena;
    struct gw_head *head = &fetch->request;

    if (!gw_token_valid(job->method))
        return "the method is not valid";
    head->method_name = gw_arena_copy(arena, job->method);
    head->method = gw_method_parse(head->method_name);
    head->scheme = service ? service->scheme : job->tls ? GW_SLICE("https") : GW_SLICE("http");
    head->authority = gw_arena_copy(arena, authority);
    head->version = 11;
    head->body_length = job->produces   ? GW_BODY_UNKNOWN
                        : job->has_body ? (int64_t)job->body.len
                                        : GW_BODY_NONE;

    const char *bad = set_target(head, arena, service ? service->path : GW_SLICE_EMPTY, job->path);

    if (bad)
        return bad;
    lua_getfield(L, index, "headers");
    bad = set_fields(L, head, arena);
    lua_pop(L, 1);
    return bad;
}
