#include "script/event.h"

#include "base/alloc.h"
#include "base/log.h"
#include "script/run.h"
#include "script/state.h"

#define EVENTS_MAX 256 /* that wait for their hooks */

struct entry {
    struct gw_list_node node;
    struct gw_health_event event;
    int64_t wall_us;
};

/* Where one script's events wait. */
struct gw_event_desk {
    struct gw_script *script;
    struct gw_ctx *ctx;
    int object_ref, call_ref; /* what hooks get to wait with; hearing.lua's function */
    unsigned *hears;          /* uses */
    unsigned hear_count;
    char *names;
    struct gw_list entries; /* the first one is being heard */
    unsigned count, at;     /* … by hears[at] */
    struct gw_run *run;     /* while a hook waits */
    uint64_t lost;
};

static void advance(struct gw_event_desk *desk);

const char *gw_script_hears(const struct gw_script *script)
{
    return script->desk ? script->desk->names : NULL;
}

/* ── one hook ──────────────────────────────────────────────────────────────── */

static const char *kind_text(enum gw_health_event_kind kind)
{
    static const char *const texts[] = { "health", "ejection", "breaker" };

    return texts[kind];
}

static int push_event(lua_State *L, const struct entry *entry)
{
    const struct gw_health_event *event = &entry->event;
    const char *const texts[] = {
        kind_text(event->kind), event->name, event->target, event->address,
        event->state,           event->by,   event->why
    };

    for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++)
        lua_pushstring(L, texts[i]);
    lua_pushnumber(L, (double)event->lasts_us / 1e6);
    lua_pushnumber(L, (double)entry->wall_us / 1e6);
    return (int)GW_ARRAY_LEN(texts) + 2;
}

static void end_run(struct gw_event_desk *desk, struct gw_run *run, enum gw_outcome outcome)
{
    struct gw_script *script = desk->script;

    if (outcome == GW_OUTCOME_FAILED)
        gw_error("plugin %s, event: %s", script->uses[desk->hears[desk->at]].plugin, run->failure);
    desk->run = NULL;
    desk->ctx->pdk.phase = 0;
    gw_run_release(run);
    gw_streams_close(desk->ctx);
    desk->at++;
}

static void on_end(struct gw_run *run, enum gw_outcome outcome)
{
    struct gw_event_desk *desk = run->owner;

    end_run(desk, run, outcome);
    advance(desk);
}

/* False: it waits. */
static bool call(struct gw_event_desk *desk, const struct entry *entry)
{
    struct gw_script *script = desk->script;
    struct gw_run *run = gw_run_acquire(script);

    if (!run || !run->L) {
        gw_error("plugin %s, event: not enough memory (lua.memory)",
                 script->uses[desk->hears[desk->at]].plugin);
        gw_script_collect(script);
        desk->at++;
        return true;
    }
    desk->run = run;
    desk->ctx->pdk.phase = GW_PDK_APART;
    desk->ctx->pdk.use = desk->hears[desk->at];
    run->pdk = &desk->ctx->pdk;
    run->owner = desk;
    run->on_end = on_end;
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, desk->call_ref);
    lua_pushinteger(run->L, (lua_Integer)desk->hears[desk->at]);
    lua_rawgeti(run->L, LUA_REGISTRYINDEX, desk->object_ref);

    enum gw_outcome outcome = gw_run_resume(run, 2 + push_event(run->L, entry));

    if (outcome == GW_OUTCOME_WAITS)
        return false;
    end_run(desk, run, outcome);
    return true;
}

/* ── all of them ───────────────────────────────────────────────────────────── */

static void drop_first(struct gw_event_desk *desk)
{
    struct entry *entry = container_of(gw_list_first(&desk->entries), struct entry, node);

    gw_list_remove(&entry->node);
    gw_free(entry);
    desk->count--;
    desk->at = 0;
}

static void advance(struct gw_event_desk *desk)
{
    while (desk->count > 0) {
        struct gw_list_node *first = gw_list_first(&desk->entries);

        while (desk->at < desk->hear_count)
            if (!call(desk, container_of(first, struct entry, node)))
                return;
        drop_first(desk);
    }
}

void gw_script_tell(struct gw_script *script, const struct gw_health_event *event)
{
    struct gw_event_desk *desk = script->desk;

    if (!desk || !script->loop)
        return;
    if (desk->count >= EVENTS_MAX) {
        if (desk->lost++ == 0)
            gw_warn("event hooks are too slow: %u events wait, others are lost", EVENTS_MAX);
        return;
    }
    struct entry *entry = gw_alloc_zero(sizeof(*entry));

    entry->event = *event;
    entry->wall_us = script->loop->clock.wall_us;
    gw_list_append(&desk->entries, &entry->node);
    if (desk->count++ == 0)
        advance(desk);
}

/* ── the beginning and the end ─────────────────────────────────────────────── */

static void take_hearers(lua_State *L, struct gw_event_desk *desk, int hears)
{
    desk->hear_count = (unsigned)lua_objlen(L, hears);
    desk->hears = gw_alloc(desk->hear_count * sizeof(*desk->hears));
    for (unsigned i = 0; i < desk->hear_count; i++) {
        lua_rawgeti(L, hears, (int)i + 1);
        desk->hears[i] = (unsigned)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
}

void gw_events_take(lua_State *L, struct gw_script *script, int loaded)
{
    lua_getfield(L, loaded, "hears");

    int hears = lua_gettop(L);

    if (lua_objlen(L, hears) == 0)
        return;

    struct gw_event_desk *desk = script->desk = gw_alloc_zero(sizeof(*desk));

    desk->script = script;
    gw_list_init(&desk->entries);
    take_hearers(L, desk, hears);
    lua_getfield(L, loaded, "hearing");
    desk->names = gw_strndup(lua_tostring(L, -1), lua_objlen(L, -1));
    desk->ctx = gw_ctx_new(L, script); /* an error from here on ends the script */
    lua_getfield(L, loaded, "call_event");
    desk->call_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_getfield(L, loaded, "new_task");
    lua_pushlightuserdata(L, &desk->ctx->pdk);
    lua_call(L, 1, 1);
    desk->object_ref = luaL_ref(L, LUA_REGISTRYINDEX);
}

void gw_events_cancel(struct gw_script *script)
{
    struct gw_event_desk *desk = script->desk;

    if (!desk)
        return;
    if (desk->run)
        gw_run_release(desk->run);
    desk->run = NULL;
    desk->ctx->pdk.phase = 0;
    gw_streams_close(desk->ctx);
    while (desk->count > 0)
        drop_first(desk);
}

void gw_events_free(struct gw_script *script)
{
    struct gw_event_desk *desk = script->desk;

    if (!desk)
        return;
    GW_ASSERT(!desk->run && desk->count == 0);
    gw_script_forget(script, desk->object_ref);
    gw_script_forget(script, desk->call_ref);
    if (desk->ctx)
        gw_ctx_free(script, desk->ctx);
    gw_free(desk->hears);
    gw_free(desk->names);
    gw_free(desk);
    script->desk = NULL;
}
