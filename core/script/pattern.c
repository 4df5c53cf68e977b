#include "script/pattern.h"

#include "base/slice.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

/* --- what was found --- */

/* The capture, or the whole match where there are none. */
static void push_capture(struct gw_pattern *m, int at, const char *start, const char *end)
{
    if (at >= m->level) {
        if (at != 0)
            luaL_error(m->L, "invalid capture index");
        lua_pushlstring(m->L, start, (size_t)(end - start));
        return;
    }

    ptrdiff_t len = m->captures[at].len;

    if (len == GW_CAPTURE_OPEN)
        luaL_error(m->L, "unfinished capture");
    if (len == GW_CAPTURE_POSITION)
        lua_pushinteger(m->L, m->captures[at].start - m->subject + 1);
    else
        lua_pushlstring(m->L, m->captures[at].start, (size_t)len);
}

/* All captures, the whole match instead of none; `start` NULL: nothing instead of none. */
static int push_captures(struct gw_pattern *m, const char *start, const char *end)
{
    int count = m->level == 0 && start ? 1 : m->level;

    luaL_checkstack(m->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(m, i, start, end);
    return count;
}

/* --- find and match --- */

static bool is_plain(struct gw_slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        if (pattern.ptr[i] != '\0' && strchr("^$*+?.([%-", pattern.ptr[i]))
            return false;
    return true;
}

/* Lua's way to say where to begin, as an offset. */
static size_t offset_of(lua_Integer init, size_t len)
{
    if (init < 0)
        init += (lua_Integer)len + 1;
    if (init <= 1)
        return 0;
    return (size_t)init - 1 < len ? (size_t)init - 1 : len;
}

static int find_plain(lua_State *L, struct gw_slice subject, struct gw_slice pattern, size_t offset)
{
    const char *found =
        memmem(subject.ptr + offset, subject.len - offset, pattern.ptr, pattern.len);

    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - subject.ptr + 1);
    lua_pushinteger(L, found - subject.ptr + (lua_Integer)pattern.len);
    return 2;
}

static int find_or_match(lua_State *L, bool find)
{
    struct gw_slice subject, pattern;
    struct gw_pattern m;

    subject.ptr = luaL_checklstring(L, 1, &subject.len);
    pattern.ptr = luaL_checklstring(L, 2, &pattern.len);

    size_t offset = offset_of(luaL_optinteger(L, 3, 1), subject.len);

    if (find && (lua_toboolean(L, 4) || is_plain(pattern)))
        return find_plain(L, subject, pattern, offset);

    bool anchored = pattern.len > 0 && pattern.ptr[0] == '^';

    gw_pattern_init(&m, L, subject.ptr, subject.len, pattern.ptr, pattern.len);
    for (const char *at = subject.ptr + offset; at <= m.subject_end; at++) {
        m.level = 0;

        const char *end = gw_pattern_match(&m, at, pattern.ptr + anchored);

        if (end && find) {
            lua_pushinteger(L, at - subject.ptr + 1);
            lua_pushinteger(L, end - subject.ptr);
            return 2 + push_captures(&m, NULL, NULL);
        }
        if (end)
            return push_captures(&m, at, end);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int find(lua_State *L)
{
    return find_or_match(L, true);
}

static int match(lua_State *L)
{
    return find_or_match(L, false);
}

/* --- gmatch: a closure of subject, pattern and offset --- */

static int next_match(lua_State *L)
{
    struct gw_slice subject, pattern;
    struct gw_pattern m;

    subject.ptr = lua_tolstring(L, lua_upvalueindex(1), &subject.len);
    pattern.ptr = lua_tolstring(L, lua_upvalueindex(2), &pattern.len);
    gw_pattern_init(&m, L, subject.ptr, subject.len, pattern.ptr, pattern.len);
    for (const char *at = subject.ptr + lua_tointeger(L, lua_upvalueindex(3)); at <= m.subject_end;
         at++) {
        m.level = 0;

        const char *end = gw_pattern_match(&m, at, pattern.ptr);

        if (!end)
            continue;
        lua_pushinteger(L, end - subject.ptr + (end == at));
        lua_replace(L, lua_upvalueindex(3));
        return push_captures(&m, at, end);
    }
    return 0;
}

static int gmatch(lua_State *L)
{
    luaL_checkstring(L, 1);
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, next_match, 3);
    return 1;
}

/* --- gsub --- */

struct output {
    luaL_Buffer buffer;
    size_t len;
};

/* What the value on the top of the stack, or `text`, adds. */
static void check_room(lua_State *L, struct output *out, size_t len)
{
    out->len += len;
    if (out->len > GW_PATTERN_BYTES)
        luaL_error(L, "resulting string too large (this plugin is not trusted)");
}

static void add_text(lua_State *L, struct output *out, const char *text, size_t len)
{
    check_room(L, out, len);
    luaL_addlstring(&out->buffer, text, len);
}

static void add_top(lua_State *L, struct output *out)
{
    check_room(L, out, lua_objlen(L, -1));
    luaL_addvalue(&out->buffer);
}

static void add_template(struct gw_pattern *m, struct output *out, const char *start,
                         const char *end)
{
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%' || i + 1 == len) {
            add_text(m->L, out, text + i, 1);
        } else if (!isdigit((unsigned char)text[++i])) {
            add_text(m->L, out, text + i, 1);
        } else if (text[i] == '0') {
            add_text(m->L, out, start, (size_t)(end - start));
        } else {
            push_capture(m, text[i] - '1', start, end);
            lua_tolstring(m->L, -1, NULL); /* a position becomes text */
            add_top(m->L, out);
        }
    }
}

static void add_replacement(struct gw_pattern *m, struct output *out, const char *start,
                            const char *end)
{
    lua_State *L = m->L;

    if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, start, end), 1);
    } else if (lua_type(L, 3) == LUA_TTABLE) {
        push_capture(m, 0, start, end);
        lua_gettable(L, 3);
    } else {
        add_template(m, out, start, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        add_text(L, out, start, (size_t)(end - start));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    lua_tolstring(L, -1, NULL);
    add_top(L, out);
}

static int gsub(lua_State *L)
{
    struct gw_slice subject, pattern;
    struct gw_pattern m;
    struct output out = { .len = 0 };
    int kind = lua_type(L, 3);

    subject.ptr = luaL_checklstring(L, 1, &subject.len);
    pattern.ptr = luaL_checklstring(L, 2, &pattern.len);
    luaL_argcheck(L,
                  kind == LUA_TNUMBER || kind == LUA_TSTRING || kind == LUA_TFUNCTION ||
                      kind == LUA_TTABLE,
                  3, "string/function/table expected");

    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)subject.len + 1), count = 0;
    bool anchored = pattern.len > 0 && pattern.ptr[0] == '^';
    const char *at = subject.ptr;

    if (kind == LUA_TNUMBER)
        lua_tolstring(L, 3, NULL);
    lua_settop(L, 3);
    gw_pattern_init(&m, L, subject.ptr, subject.len, pattern.ptr, pattern.len);
    luaL_buffinit(L, &out.buffer);
    while (count < most) {
        m.level = 0;

        const char *end = gw_pattern_match(&m, at, pattern.ptr + anchored);

        if (end) {
            count++;
            add_replacement(&m, &out, at, end);
        }
        if (end && end > at)
            at = end;
        else if (at < m.subject_end)
            add_text(L, &out, at++, 1);
        else
            break;
        if (anchored)
            break;
    }
    add_text(L, &out, at, (size_t)(m.subject_end - at));
    luaL_pushresult(&out.buffer);
    lua_pushinteger(L, count);
    return 2;
}

/* --- rep --- */

static int rep(lua_State *L)
{
    struct gw_slice text, between;
    luaL_Buffer out;

    text.ptr = luaL_checklstring(L, 1, &text.len);
    between.ptr = luaL_optlstring(L, 3, "", &between.len);

    lua_Number wanted = luaL_checknumber(L, 2);
    size_t each = text.len + between.len;

    if (wanted > 0 && (double)each * wanted > (double)GW_PATTERN_BYTES)
        luaL_error(L, "resulting string too large (this plugin is not trusted)");

    size_t count = wanted >= 1 && each > 0 ? (size_t)wanted : 0;

    luaL_buffinit(L, &out);
    for (size_t i = 0; i < count; i++) {
        luaL_addlstring(&out, text.ptr, text.len);
        if (i + 1 < count)
            luaL_addlstring(&out, between.ptr, between.len);
    }
    luaL_pushresult(&out);
    return 1;
}

void gw_pattern_push(lua_State *L)
{
    static const luaL_Reg functions[] = {
        { "find", find }, { "match", match }, { "gmatch", gmatch },
        { "gsub", gsub }, { "rep", rep },     { NULL, NULL },
    };

    lua_createtable(L, 0, 5);
    for (const luaL_Reg *function = functions; function->name; function++) {
        lua_pushcfunction(L, function->func);
        lua_setfield(L, -2, function->name);
    }
}
