/* ctx:fetch, ctx:fetch_all and ctx:race: several things started together, one wait for all of them
 * or for the first. A member is a fetch, or a function in a child run; children start when
 * everybody else had a turn, so that a function which races again is not on the C stack of the
 * first.
 *
 * An ended group stays with its run until Lua took what came; the run's next group, or its end,
 * frees what was left. */
#include "base/alloc.h"
#include "base/log.h"
#include "script/await.h"
#include "script/fetch.h"
#include "script/run.h"
#include "script/state.h"
#include "script/wait.h"

#include <lauxlib.h>

struct member {
    struct gw_fetch *fetch; /* one of both is not NULL */
    struct gw_run *child;
    bool ended, failed;
};

struct group {
    struct gw_wait wait;
    bool first;           /* the first that does not fail is enough */
    bool done;            /* Lua may take what came */
    int won;              /* place + 1; 0: none */
    int failed, raised;   /* the first member that failed, the first function among them; 0: none */
    unsigned count, open; /* members, those that run still */
    struct gw_defer start; /* of the children */
    struct member members[];
};

/* --- the end --- */

static void drop_member(struct member *member)
{
    gw_fetch_free(member->fetch);
    member->fetch = NULL;
    if (member->child)
        gw_run_release(member->child);
    member->child = NULL;
}

static void free_group(struct group *group)
{
    gw_defer_cancel(&group->start);
    for (unsigned i = 0; i < group->count; i++)
        drop_member(&group->members[i]);
    gw_free(group);
}

static void cancel(struct gw_wait *wait)
{
    free_group(container_of(wait, struct group, wait));
}

/* Whoever lost ends here; the run takes the rest. */
static void finish(struct group *group)
{
    struct gw_run *run = group->wait.run;

    gw_defer_cancel(&group->start);
    for (unsigned i = 0; i < group->count; i++)
        if (!group->members[i].ended)
            drop_member(&group->members[i]);
    group->done = true;
    lua_pushinteger(run->L, group->won);
    lua_pushinteger(run->L, group->failed);
    lua_pushinteger(run->L, group->raised);
    gw_run_wake(run, 3);
}

static bool is_over(const struct group *group)
{
    return group->open == 0 || (group->first && group->won);
}

static void note_end(struct group *group, struct member *member, bool failed)
{
    int place = (int)(member - group->members) + 1;

    member->ended = true;
    member->failed = failed;
    group->open--;
    if (!failed && !group->won)
        group->won = place;
    if (failed && !group->failed)
        group->failed = place;
    if (failed && member->child && !group->raised)
        group->raised = place;
}

/* --- the members --- */

static void on_fetched(struct gw_fetch *fetch)
{
    struct group *group = fetch->owner;
    struct member *member = group->members;

    while (member->fetch != fetch)
        member++;
    note_end(group, member, fetch->error != GW_OK);
    if (is_over(group))
        finish(group);
}

static void note_child_end(struct group *group, struct gw_run *child, enum gw_outcome outcome)
{
    struct member *member = group->members;

    while (member->child != child)
        member++;
    if (outcome == GW_OUTCOME_FAILED)
        gw_notice("plugin %s%s%.*s: a function that raced failed: %s",
                  child->script->uses[child->use].plugin, child->x ? ", request " : "",
                  GW_SLICE_ARG(child->x ? child->x->correlation_id : GW_SLICE_EMPTY),
                  child->failure);
    note_end(group, member, outcome == GW_OUTCOME_FAILED);
}

static void on_child_end(struct gw_run *child, enum gw_outcome outcome)
{
    struct group *group = child->owner;

    note_child_end(group, child, outcome);
    if (is_over(group))
        finish(group);
}

static void on_start(struct gw_defer *defer)
{
    struct group *group = container_of(defer, struct group, start);

    for (unsigned i = 0; i < group->count && !is_over(group); i++) {
        struct gw_run *child = group->members[i].child;

        if (!child)
            continue;

        enum gw_outcome outcome = gw_run_resume(child, 1);

        if (outcome != GW_OUTCOME_WAITS)
            note_child_end(group, child, outcome);
    }
    if (is_over(group))
        finish(group);
}

/* --- the beginning --- */

/* The function at the top of the stack, with what it is called with. */
static void add_child(lua_State *L, struct group *group, struct member *member, int argument)
{
    struct gw_run *run = group->wait.run;
    struct gw_run *child = gw_run_acquire_child(run);

    if (!child)
        luaL_error(L, "not enough memory (lua.memory)");
    member->child = child;
    child->owner = group;
    child->on_end = on_child_end;
    lua_pushvalue(L, argument);
    lua_xmove(L, child->L, 2);
}

/* What is wrong with the member at the top of the stack, or NULL; it is popped. */
static const char *add_member(lua_State *L, struct group *group, struct member *member)
{
    if (lua_isfunction(L, -1)) {
        add_child(L, group, member, 4);
        return NULL;
    }
    member->fetch = gw_fetch_new(group->wait.run->script, GW_FETCH_COLLECT);

    const char *bad = gw_fetch_read(L, lua_gettop(L), member->fetch, group->wait.run);

    lua_pop(L, 1);
    return bad;
}

/* All start, or none did: whatever can be wrong was seen before. */
static void start(struct group *group)
{
    struct gw_loop *loop = group->wait.run->script->loop;
    bool has_children = false;

    for (unsigned i = 0; i < group->count; i++) {
        struct member *member = &group->members[i];

        if (member->child)
            has_children = true;
        else if (member->fetch->unknown_upstream)
            note_end(group, member, true);
        else
            gw_fetch_start(member->fetch, on_fetched, group);
    }
    if (has_children || is_over(group)) /* never before it returned */
        gw_loop_defer(loop, &group->start, on_start);
}

static struct group *find_done(struct gw_run *run)
{
    GW_LIST_EACH(&run->waits, node) {
        struct gw_wait *wait = container_of(node, struct gw_wait, node);

        if (wait->cancel == cancel && container_of(wait, struct group, wait)->done)
            return container_of(wait, struct group, wait);
    }
    return NULL;
}

static void forget_done(struct gw_run *run)
{
    struct group *group;

    while ((group = find_done(run))) {
        gw_wait_end(&group->wait);
        free_group(group);
    }
}

int gw_await_group(lua_State *L)
{
    struct gw_run *run = gw_wait_check(L, luaL_checkstring(L, 5));
    unsigned count = (unsigned)lua_tointeger(L, 2);

    if (run->depth >= GW_RUN_DEPTH_MAX)
        return luaL_error(L, "%s: too many functions that wait for functions (%d)",
                          lua_tostring(L, 5), GW_RUN_DEPTH_MAX);
    forget_done(run);

    struct group *group = gw_alloc_zero(sizeof(*group) + count * sizeof(struct member));

    group->first = lua_toboolean(L, 3);
    gw_wait_begin(run, &group->wait, cancel); /* from here on an error frees it with the run */
    for (unsigned i = 0; i < count; i++) {
        group->count++;
        group->open++;
        lua_rawgeti(L, 1, (int)i + 1);

        const char *bad = add_member(L, group, &group->members[i]);

        if (bad) {
            gw_wait_end(&group->wait);
            free_group(group);
            lua_pushinteger(L, -(lua_Integer)(i + 1));
            lua_pushstring(L, bad);
            return 2;
        }
    }
    start(group);
    return gw_wait_yield(L);
}

/* --- the results --- */

/* What a function returned, behind a 0; or a 1 and why it failed. */
static int push_child(lua_State *L, struct gw_run *child, bool failed)
{
    if (failed) {
        lua_pushinteger(L, 1);
        lua_pushstring(L, child->failure);
        return 2;
    }

    int count = lua_gettop(child->L);

    luaL_checkstack(L, count + 1, "a function returned too many values");
    lua_pushinteger(L, 0);
    lua_xmove(child->L, L, count);
    return count + 1;
}

int gw_await_group_take(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));
    struct group *group = script->current ? find_done(script->current) : NULL;
    unsigned place = (unsigned)lua_tointeger(L, 1) - 1;

    if (!group || place >= group->count || !group->members[place].ended)
        return luaL_error(L, "there is no result to take");

    struct member *member = &group->members[place];
    int count = member->child ? push_child(L, member->child, member->failed)
                              : gw_fetch_push(L, member->fetch);

    drop_member(member);
    member->ended = false;
    return count;
}

int gw_await_group_end(lua_State *L)
{
    struct gw_script *script = lua_touserdata(L, lua_upvalueindex(1));

    if (script->current)
        forget_done(script->current);
    return 0;
}
