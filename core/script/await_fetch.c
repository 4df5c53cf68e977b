/* ctx:fetch{…}: one call to a service, an upstream or an allowed address, its response collected
 * within a bound. What plugins write has been checked by lua/moongate/fetch.lua; here the bytes
 * that go on the wire are. */
#include "base/alloc.h"
#include "http/uri.h"
#include "script/await.h"
#include "script/pdk_common.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"
#include "upstream/call.h"

#include <lauxlib.h>
#include <string.h>

struct fetch {
    struct gw_wait wait;
    struct gw_arena *arena; /* owned: request, response head */
    struct gw_stream *call; /* NULL once closed */
    struct gw_timer deadline;
    struct gw_head *head; /* the final one, once it came */
    struct gw_buf body;
    bool done; /* the result waits to be taken */
};

/* What the job's table says; borrowed from Lua while the table is on the stack. */
struct job {
    int service; /* index + 1; 0: none */
    struct gw_slice upstream, host, authority, method, path, body;
    uint16_t port;
    bool has_body;
    double timeout, limit;
};

/* --- the end ------------------------------------------------------------------------- */

static void free_fetch(struct fetch *fetch)
{
    gw_buf_deinit(&fetch->body);
    gw_arena_free(fetch->arena);
    gw_free(fetch);
}

static void stop(struct fetch *fetch, enum gw_error why)
{
    gw_timer_stop(&fetch->deadline);
    if (fetch->call)
        gw_stream_close(fetch->call, why);
    fetch->call = NULL;
}

static void cancel(struct gw_wait *wait)
{
    struct fetch *fetch = container_of(wait, struct fetch, wait);

    stop(fetch, GW_E_CANCELLED);
    free_fetch(fetch);
}

/* A response stays with the run until Lua takes it, or is cancelled with it. */
static void finish(struct fetch *fetch, enum gw_error error)
{
    struct gw_run *run = fetch->wait.run;

    stop(fetch, error);
    if (error) {
        gw_wait_end(&fetch->wait);
        free_fetch(fetch);
    } else {
        fetch->done = true;
    }
    lua_pushinteger(run->L, (lua_Integer)error);
    gw_run_wake(run, 1);
}

/* --- events -------------------------------------------------------------------------- */

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct fetch *fetch = owner;

    if (head->status < 200)
        return;
    fetch->head = head;
    if (end)
        finish(fetch, GW_OK);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct fetch *fetch = owner;

    if (!gw_buf_append(&fetch->body, bytes))
        finish(fetch, GW_E_UPSTREAM_BODY_TOO_LARGE);
    else if (end)
        finish(fetch, GW_OK);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    finish(owner, GW_OK);
}

static void on_room(void *owner)
{
    (void)owner; /* the whole body was given at once */
}

static void on_stream_end(void *owner, enum gw_error why)
{
    finish(owner, why ? why : GW_E_RESET);
}

static void on_deadline(struct gw_timer *timer)
{
    finish(container_of(timer, struct fetch, deadline), GW_E_TOTAL_TIMEOUT);
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_stream_end,
};

/* --- the beginning ------------------------------------------------------------------- */

static struct gw_slice text_field(lua_State *L, const char *name)
{
    struct gw_slice text = GW_SLICE_EMPTY;

    lua_getfield(L, 1, name);
    if (lua_type(L, -1) == LUA_TSTRING)
        text.ptr = lua_tolstring(L, -1, &text.len);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static double number_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    double number = lua_tonumber(L, -1);

    lua_pop(L, 1);
    return number;
}

static void read_job(lua_State *L, struct job *job)
{
    *job = (struct job){
        .service = (int)number_field(L, "service"),
        .upstream = text_field(L, "upstream"),
        .host = text_field(L, "host"),
        .port = (uint16_t)number_field(L, "port"),
        .authority = text_field(L, "authority"),
        .method = text_field(L, "method"),
        .path = text_field(L, "path"),
        .body = text_field(L, "body"),
        .timeout = number_field(L, "timeout"),
        .limit = number_field(L, "limit"),
    };
    job->has_body = job->body.ptr != NULL;
    lua_getfield(L, 1, "headers"); /* stays at 2 */
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

/* From the flat array at index 2; what is wrong with one, or NULL. */
static const char *set_fields(lua_State *L, struct gw_head *head, struct gw_arena *arena)
{
    int count = (int)lua_objlen(L, 2);

    for (int i = 1; i < count; i += 2) {
        struct gw_slice name, value;

        lua_rawgeti(L, 2, i);
        lua_rawgeti(L, 2, i + 1);
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

static const struct gw_service *service_of(const struct gw_script *script, const struct job *job)
{
    return job->service > 0 ? &script->config->services[job->service - 1] : NULL;
}

static const char *make_head(lua_State *L, struct gw_script *script, const struct job *job,
                             struct gw_arena *arena, struct gw_head *head)
{
    const struct gw_service *service = service_of(script, job);
    struct gw_slice authority = service ? service->authority : job->authority;

    if (!gw_token_valid(job->method))
        return "the method is not valid";
    head->method_name = gw_arena_copy(arena, job->method);
    head->method = gw_method_parse(head->method_name);
    head->scheme = GW_SLICE("http");
    head->authority = gw_arena_copy(arena, authority);
    head->version = 11;
    head->body_length = job->has_body ? (int64_t)job->body.len : GW_BODY_NONE;

    const char *bad = set_target(head, arena, service ? service->path : GW_SLICE_EMPTY, job->path);

    return bad ? bad : set_fields(L, head, arena);
}

static void start(struct gw_run *run, const struct job *job, struct gw_arena *arena,
                  const struct gw_head *head, struct gw_upstream *upstream)
{
    struct gw_script *script = run->script;
    struct fetch *fetch = gw_alloc_zero(sizeof(*fetch));
    struct gw_call_options options = {
        .loop = script->loop,
        .pool = script->pool,
        .arena = arena,
        .service = service_of(script, job),
        .upstream = upstream,
        .target_host = gw_arena_copy(arena, job->host),
        .target_port = job->port,
        .retries = -1,
        .authority_of_target = job->upstream.len > 0,
        .body = gw_arena_copy(arena, job->body),
        .has_body = job->has_body,
        .correlation_id = run->x ? gw_arena_copy(arena, run->x->correlation_id) : GW_SLICE_EMPTY,
    };

    fetch->arena = arena;
    gw_buf_init(&fetch->body, (size_t)job->limit);
    fetch->call = gw_call_open(&options);
    gw_stream_bind(fetch->call, &events, fetch);
    gw_stream_send_head(fetch->call, head,
                        true); /* the call sends the body itself, again at every try */
    if (job->timeout > 0)
        gw_timer_start(script->loop, &fetch->deadline, (uint64_t)(job->timeout * 1e6), on_deadline);
    gw_wait_begin(run, &fetch->wait, cancel);
}

int gw_await_fetch(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, "ctx:fetch");
    struct gw_script *script = run->script;
    struct gw_upstream *upstream = NULL;
    struct gw_head head = { 0 };
    struct job job;

    read_job(L, &job); /* may raise: nothing is held yet */
    if (job.upstream.len) {
        upstream = gw_registry_find(script->registry, script->config, job.upstream);
        if (!upstream) {
            lua_pushinteger(L, -1);
            return 1;
        }
    }

    struct gw_arena *arena = gw_arena_new();
    const char *bad = make_head(L, script, &job, arena, &head);

    if (bad) {
        gw_arena_free(arena);
        lua_pushinteger(L, GW_E_INTERNAL);
        lua_pushstring(L, bad);
        return 2;
    }
    start(run, &job, arena, &head, upstream);
    return gw_wait_yield(L);
}

/* --- the result ---------------------------------------------------------------------- */

static struct fetch *done_fetch(struct gw_run *run)
{
    GW_LIST_EACH(&run->waits, node) {
        struct gw_wait *wait = container_of(node, struct gw_wait, node);

        if (wait->cancel == cancel) {
            struct fetch *fetch = container_of(wait, struct fetch, wait);

            if (fetch->done)
                return fetch;
        }
    }
    return NULL;
}

static void push_fields(lua_State *L, const struct gw_fields *fields)
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

/* May raise when memory runs out: then the run's end frees what is left here. */
int gw_await_fetch_take(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct fetch *fetch = script->current ? done_fetch(script->current) : NULL;

    if (!fetch)
        return luaL_error(L, "ctx:fetch: there is no response to take");
    lua_pushinteger(L, fetch->head->status);
    push_fields(L, &fetch->head->fields);
    lua_pushlstring(L, fetch->body.data ? fetch->body.data : "", fetch->body.len);
    gw_wait_end(&fetch->wait);
    free_fetch(fetch);
    return 3;
}
