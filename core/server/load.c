#include "server/load.h"

#include "base/alloc.h"
#include "script/event.h"
#include "script/guard.h"
#include "server/lua_call.h"
#include "server/tls_services.h"
#include "server/tls_store.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define WORKERS_MAX 256

unsigned gw_load_auto_workers(void)
{
    cpu_set_t set;
    int count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return count < 1 ? 1 : count > WORKERS_MAX ? WORKERS_MAX : (unsigned)count;
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* --- texts --- */

static void add_text(char ***texts, unsigned *count, struct gw_slice text)
{
    *texts = gw_realloc(*texts, (*count + 1) * sizeof(**texts));
    (*texts)[(*count)++] = gw_strndup(text.ptr, text.len);
}

static void add_to_text(char **text, struct gw_slice more)
{
    size_t len = strlen(*text);

    *text = gw_realloc(*text, len + more.len + 2);
    snprintf(*text + len, more.len + 2, " %.*s", (int)more.len, more.ptr);
}

static bool ends_with_colon(const char *text)
{
    size_t len = strlen(text);

    return len > 0 && text[len - 1] == ':';
}

/* An error a line; where Lua says that a module does not load, the reason stands on the next
 * one. */
static void add_lines(struct gw_load *load, struct gw_slice lines)
{
    unsigned before = load->error_count;
    struct gw_slice line;

    while (gw_slice_next(&lines, '\n', &line)) {
        char **last = load->error_count > before ? &load->errors[load->error_count - 1] : NULL;

        if (line.len && last && ends_with_colon(*last))
            add_to_text(last, line);
        else if (line.len)
            add_text(&load->errors, &load->error_count, line);
    }
}

static void free_texts(char ***texts, unsigned *count)
{
    for (unsigned i = 0; i < *count; i++)
        gw_free((*texts)[i]);
    gw_free(*texts);
    *texts = NULL;
    *count = 0;
}

/* --- reading, in Lua --- */

/* The list of strings in that field of the table on top. */
static void take_texts(lua_State *L, const char *field, char ***texts, unsigned *count)
{
    lua_getfield(L, -1, field);
    size_t len = lua_istable(L, -1) ? lua_objlen(L, -1) : 0;

    for (size_t i = 1; i <= len; i++) {
        struct gw_slice text = { NULL, 0 };

        lua_rawgeti(L, -1, (int)i);
        text.ptr = lua_tolstring(L, -1, &text.len);
        if (text.ptr)
            add_text(texts, count, text);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* The table that moongate.loader gave back, on top. */
static int take_result(lua_State *L)
{
    struct gw_load *load = lua_touserdata(L, 2);

    lua_settop(L, 1);
    lua_getfield(L, -1, "config");
    load->config = (struct gw_config *)(uintptr_t)lua_tonumber(L, -1); /* 0 when it is nil */
    lua_getfield(L, 1, "global");
    if (lua_isstring(L, -1))
        load->global_plan = gw_strndup(lua_tostring(L, -1), lua_objlen(L, -1));
    lua_pop(L, 2);
    take_texts(L, "plans", &load->plans, &load->plan_count);
    take_texts(L, "errors", &load->errors, &load->error_count);
    take_texts(L, "warnings", &load->warnings, &load->warning_count);
    take_texts(L, "watched", &load->watched, &load->watched_count);
    return 0;
}

/* The reader runs plugins' files, too: it needs to know their schemas. */
static void run_reader(struct gw_load *load, lua_State *L, const char *function)
{
    struct gw_guard *guard = gw_guard_here();
    bool guarded = gw_guard_enter_loading(guard, NULL, L);
    bool good = gw_lua_call(L, "moongate.loader", function, 1);
    char why[512];

    if (guarded && gw_guard_leave_loading(guard, why, sizeof(why)) && !good) {
        lua_settop(L, 0);
        add_lines(load, gw_slice_from(why));
    }
    if (!good)
        return;
    lua_pushcfunction(L, take_result);
    lua_insert(L, 1);
    lua_pushlightuserdata(L, load);
    if (lua_pcall(L, 2, 0, 0) == 0)
        lua_settop(L, 0);
}

static void read_config(struct gw_load *load, const char *function, const char *path,
                        const char *home)
{
    lua_State *L = gw_lua_open(home);

    if (!L) {
        add_lines(load, GW_SLICE("there is no memory for a Lua state"));
        return;
    }
    lua_pushstring(L, path);
    lua_pushstring(L, home);
    run_reader(load, L, function);
    if (lua_gettop(L) > 0)
        add_lines(load, gw_slice_from(lua_tostring(L, -1)));
    lua_close(L);
    if (!load->config && load->error_count == 0)
        add_lines(load, GW_SLICE("the configuration's reader gave nothing back"));
}

/* --- preparing --- */

static bool prepare_control(struct gw_load *load, const struct gw_load_options *options, char **why)
{
    struct gw_script_options script = {
        .config = load->config,
        .home = options->home,
        .worker = GW_WORKERS_MAX,
        .zones = options->zones,
        .sinks = options->sinks,
        .ledger = options->ledger,
        .metrics = options->metrics,
        .hears = gw_script_hears(load->scripts[0]),
        .on_unused = options->on_script_unused,
        .on_unused_ctx = options->ctx,
    };

    load->control = gw_script_new(&script, why);
    return load->control != NULL;
}

static void prepare_scripts(struct gw_load *load, const struct gw_load_options *options)
{
    struct gw_config *config = load->config;
    unsigned count = options->workers ? options->workers : config->workers;
    char *why = NULL;

    if (count == 0)
        count = gw_load_auto_workers();
    load->scripts = gw_alloc_zero(count * sizeof(load->scripts[0]));
    load->script_count = count;
    for (unsigned i = 0; i < count; i++) {
        struct gw_script_options script = {
            .config = config,
            .home = options->home,
            .worker = i,
            .zones = options->zones,
            .sinks = options->sinks,
            .ledger = options->ledger,
            .metrics = options->metrics,
            .on_unused = options->on_script_unused,
            .on_unused_ctx = options->ctx,
        };

        load->scripts[i] = gw_script_new(&script, &why);
        if (!load->scripts[i])
            break;
    }
    if (load->scripts[count - 1] && gw_script_hears(load->scripts[0]) &&
        !prepare_control(load, options, &why))
        add_lines(load, why ? gw_slice_from(why) : GW_SLICE("a Lua state cannot be made"));
    if (!load->scripts[count - 1])
        add_lines(load, why ? gw_slice_from(why) : GW_SLICE("a Lua state cannot be made"));
    gw_free(why);
}

static void prepare_tls(struct gw_load *load, const struct gw_load_options *options)
{
    char why[512];

    if (options->tls && (!gw_tls_store_bind(options->tls, load->config, why, sizeof(why)) ||
                         !gw_tls_services_bind(load->config, why, sizeof(why))))
        add_lines(load, gw_slice_from(why));
}

static void drop_built(struct gw_load *load)
{
    for (unsigned i = 0; i < load->script_count; i++)
        gw_script_unref(load->scripts[i]);
    gw_script_unref(load->control);
    load->control = NULL;
    gw_free(load->scripts);
    load->scripts = NULL;
    load->script_count = 0;
    gw_config_unref(load->config);
    load->config = NULL;
}

/* What a state may take to load from here on; gives back what it was. */
static uint64_t limit_loading(uint64_t limit_us)
{
    struct gw_guard *guard = gw_guard_here();

    return guard
               ? atomic_exchange_explicit(&guard->loading.limit_us, limit_us, memory_order_relaxed)
               : 0;
}

static void say_who_serves(uint64_t generation)
{
    struct gw_guard *guard = gw_guard_here();

    if (guard)
        atomic_store_explicit(&guard->loading.alone, generation == 1, memory_order_relaxed);
}

void gw_load(struct gw_load *load, const struct gw_load_options *options)
{
    uint64_t start = now_us();

    say_who_serves(options->generation);
    *load = (struct gw_load){ 0 };
    read_config(load, "load", options->config_path, options->home);
    if (load->config && load->error_count == 0) {
        uint64_t before = limit_loading(load->config->lua_load_limit_us);

        load->config->generation = options->generation;
        prepare_scripts(load, options);
        prepare_tls(load, options);
        if (load->error_count)
            limit_loading(before);
    }
    if (load->error_count)
        drop_built(load);
    load->took_us = now_us() - start;
}

void gw_load_explained(struct gw_load *load, const char *config_path, const char *home)
{
    *load = (struct gw_load){ 0 };
    read_config(load, "explain", config_path, home);
    if (load->error_count)
        drop_built(load);
}

void gw_load_deinit(struct gw_load *load)
{
    drop_built(load);
    free_texts(&load->errors, &load->error_count);
    free_texts(&load->warnings, &load->warning_count);
    free_texts(&load->watched, &load->watched_count);
    free_texts(&load->plans, &load->plan_count);
    gw_free(load->global_plan);
    load->global_plan = NULL;
}
