/* The ctxs of one script: a slot with its handle for each exchange that has one, reused from one
 * request to the next. What plugins see of a slot is made anew for each (lua/moongate/ctx.lua). */
#include "base/alloc.h"
#include "script/state.h"

#include <string.h>

struct gw_ctx *gw_ctx_new(lua_State *L, const struct gw_script *script)
{
    struct gw_ctx *ctx;

    if (script->borrowed) {
        ctx = lua_newuserdata(L, sizeof(*ctx));
        memset(ctx, 0, sizeof(*ctx));
        luaL_ref(L, LUA_REGISTRYINDEX);
    } else {
        ctx = gw_alloc_zero(sizeof(*ctx));
    }
    gw_list_init(&ctx->streams);
    return ctx;
}

void gw_ctx_free(const struct gw_script *script, struct gw_ctx *ctx)
{
    if (!script->borrowed)
        gw_free(ctx);
}

struct creation {
    struct gw_script *script;
    struct gw_ctx *ctx;
};

static int create(lua_State *L)
{
    struct creation *creation = lua_touserdata(L, 1);

    creation->ctx = gw_ctx_new(L, creation->script);
    lua_rawgeti(L, LUA_REGISTRYINDEX, creation->script->new_slot_ref);
    lua_pushlightuserdata(L, &creation->ctx->pdk);
    lua_call(L, 1, 1);
    creation->ctx->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    return 0;
}

static bool add(struct gw_script *script)
{
    struct creation creation = { script, NULL };

    if (!gw_script_protect(script, create, &creation, NULL)) {
        gw_ctx_free(script, creation.ctx);
        return false;
    }
    if (script->ctx_count == script->ctx_capacity) {
        script->ctx_capacity = script->ctx_capacity ? script->ctx_capacity * 2 : 16;
        script->ctxs = gw_realloc(script->ctxs, script->ctx_capacity * sizeof(struct gw_ctx *));
    }
    creation.ctx->next_free = script->free_ctx;
    script->free_ctx = (int)script->ctx_count;
    script->ctxs[script->ctx_count++] = creation.ctx;
    return true;
}

struct gw_ctx *gw_ctx_acquire(struct gw_script *script, struct gw_exchange *x)
{
    if (x->ctx_slot >= 0)
        return script->ctxs[x->ctx_slot];
    if (script->free_ctx < 0 && !add(script))
        return NULL;

    struct gw_ctx *ctx = script->ctxs[script->free_ctx];

    x->ctx_slot = script->free_ctx;
    script->free_ctx = ctx->next_free;
    ctx->next_free = -1;
    ctx->pdk.x = x;
    return ctx;
}

void gw_ctx_release(struct gw_script *script, struct gw_exchange *x)
{
    if (x->ctx_slot < 0)
        return;

    struct gw_ctx *ctx = script->ctxs[x->ctx_slot];
    struct gw_pdk *pdk = &ctx->pdk;

    gw_streams_close(ctx);
    if (ctx->body_account)
        ctx->body_account->body_bytes -= ctx->body_bytes;
    ctx->body_account = NULL;
    ctx->body_bytes = 0;
    pdk->x = NULL;
    pdk->phase = 0;
    pdk->use = 0;
    pdk->serial++; /* whatever Lua kept of this request is refused from here on */
    pdk->ptr = pdk->ptr2 = NULL;
    pdk->len = pdk->len2 = 0;
    ctx->draft = NULL;
    ctx->next_free = script->free_ctx;
    script->free_ctx = x->ctx_slot;
    x->ctx_slot = -1;
}

void gw_ctx_free_all(struct gw_script *script)
{
    for (unsigned i = 0; i < script->ctx_count; i++) {
        gw_script_forget(script, script->ctxs[i]->ref);
        gw_ctx_free(script, script->ctxs[i]);
    }
    gw_free(script->ctxs);
}
