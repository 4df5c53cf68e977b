/* A reload is one walk through these states, all on control's loop:
 *
 *     IDLE → LOADS (loader thread) → RESOLVES (names that are new) → COMMITS (each worker takes it)
 * → IDLE
 *
 * Who asks meanwhile is put on `later`, and one more walk serves them all. */
#include "server/reload.h"

#include "base/alloc.h"
#include "base/log.h"
#include "server/admin.h"
#include "server/hearing.h"
#include "server/log_writer.h"
#include "server/name_rules.h"
#include "server/open_files.h"
#include "server/parent.h"
#include "server/port.h"
#include "server/server.h"
#include "server/tell.h"
#include "sink/sink.h"
#include "store/ledger.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define COMMIT_TIME_US 2000000  /* after it the operator hears that a worker is stuck */
#define RESOLVE_TIME_US 3000000 /* names that take longer are resolved while serving */

enum walk {
    WALK_IDLE,
    WALK_LOADS,
    WALK_RESOLVES,
    WALK_COMMITS,
};

struct gw_reloader {
    struct gw_server *server;
    struct gw_generations generations;
    enum walk walk;
    bool is_closed;
    void (*closed)(void *ctx);
    void *closed_ctx;
    struct gw_defer close_later;
    bool asked_later;
    char why[PATH_MAX], later_why[PATH_MAX]; /* this walk and the next one happen */
    struct gw_list now, later;               /* struct gw_reload_waiter */
    struct gw_load load;                     /* of this walk, from RESOLVES on */
    struct gw_port_plan plan;
    unsigned taken; /* workers that have it */
    struct gw_timer resolve_timer, commit_timer;
    struct gw_config *current; /* one reference */
    char **warnings;           /* of the current one; owned */
    unsigned warning_count;
    struct gw_reload_result last; /* owns its errors */
    struct gw_reload_counts counts;
    uint64_t files_judged; /* see open_files.h */
};

static void start_walk(struct gw_reloader *reloader);

/* --- the end of a walk --- */

static void free_texts(char **texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        gw_free(texts[i]);
    gw_free(texts);
}

static void call_waiters(struct gw_reloader *reloader)
{
    struct gw_list waiters; /* one may ask for the next reload in its callback */

    gw_list_init(&waiters);
    GW_LIST_EACH(&reloader->now, node) {
        gw_list_remove(node);
        gw_list_append(&waiters, node);
    }
    while (!gw_list_empty(&waiters)) {
        struct gw_list_node *node = gw_list_first(&waiters);
        struct gw_reload_waiter *waiter = container_of(node, struct gw_reload_waiter, node);

        gw_list_remove(node);
        waiter->done(waiter, &reloader->last);
    }
}

static void say_closed(struct gw_defer *defer)
{
    struct gw_reloader *reloader = container_of(defer, struct gw_reloader, close_later);

    reloader->closed(reloader->closed_ctx);
}

static void say_that_we_serve(const struct gw_reloader *reloader)
{
    const struct gw_server *server = reloader->server;
    char text[96];

    if (server->state != GW_SERVER_SERVES)
        return;
    snprintf(text, sizeof(text), "generation %" PRIu64 " serves%s", reloader->last.generation,
             reloader->last.ok ? "" : "; the last reload failed");
    gw_parent_say_ready(server->parent, text);
}

/* Takes the errors over. */
static void end_walk(struct gw_reloader *reloader, bool ok, char **errors, unsigned error_count)
{
    free_texts(reloader->last.errors, reloader->last.error_count);
    reloader->last = (struct gw_reload_result){
        .ok = ok,
        .generation = reloader->current ? reloader->current->generation : 0,
        .took_us = reloader->load.took_us,
        .at_us = reloader->server->loop->clock.wall_us,
        .errors = errors,
        .error_count = error_count,
    };
    if (!ok)
        reloader->counts.bad++;
    else if (reloader->last.generation > 1)
        reloader->counts.good++;
    gw_tell_reload(&reloader->last, reloader->why, reloader->server->config_path);
    say_that_we_serve(reloader);
    gw_load_deinit(&reloader->load);
    reloader->walk = WALK_IDLE;
    call_waiters(reloader);
    if (reloader->asked_later && reloader->walk == WALK_IDLE)
        start_walk(reloader);
    else if (reloader->is_closed)
        gw_loop_defer(reloader->server->loop, &reloader->close_later, say_closed);
}

static void fail_walk(struct gw_reloader *reloader, const char *why)
{
    char **errors = gw_alloc(sizeof(errors[0]));

    errors[0] = gw_strndup(why, strlen(why));
    end_walk(reloader, false, errors, 1);
}

/* --- commit --- */

static void on_taken(void *ctx)
{
    struct gw_reloader *reloader = ctx;
    struct gw_load *load = &reloader->load;
    struct gw_config *before = reloader->current;

    if (++reloader->taken < reloader->server->worker_count)
        return;
    gw_timer_stop(&reloader->commit_timer);
    gw_port_plan_deinit(&reloader->plan);
    free_texts(reloader->warnings, reloader->warning_count);
    reloader->warnings = load->warnings;
    reloader->warning_count = load->warning_count;
    load->warnings = NULL;
    load->warning_count = 0;
    reloader->current = load->config;
    load->config = NULL;
    gw_config_unref(before);
    gw_server_committed(reloader->server, load);
    end_walk(reloader, true, NULL, 0);
}

static void on_commit_time(struct gw_timer *timer)
{
    struct gw_reloader *reloader = container_of(timer, struct gw_reloader, commit_timer);
    unsigned missing = reloader->server->worker_count - reloader->taken;

    gw_error("reload: %u of %u workers have not taken the new generation after %.0f s: a hook "
             "computes without end there (the others serve the new one)",
             missing, reloader->server->worker_count, (double)COMMIT_TIME_US / 1e6);
}

static void commit(struct gw_reloader *reloader)
{
    struct gw_server *server = reloader->server;
    struct gw_load *load = &reloader->load;
    unsigned ports = reloader->plan.count;

    gw_timer_stop(&reloader->resolve_timer);
    gw_timer_start(server->loop, &reloader->commit_timer, COMMIT_TIME_US, on_commit_time);
    reloader->walk = WALK_COMMITS;
    reloader->taken = 0;
    gw_generations_add(&reloader->generations, load, server->loop->clock.wall_us);
    gw_port_plan_commit(&reloader->plan, &server->ports);
    gw_log_writer_commit(server->log_writer);
    gw_hearing_commit(server->hearing, load->control);
    load->control = NULL;
    gw_open_files_judge(load->config, &reloader->files_judged);
    gw_sinks_reopen_files(server->sinks);
    for (unsigned i = 0; i < server->worker_count; i++) {
        struct gw_script *script = load->scripts[i];

        load->scripts[i] = NULL;
        gw_worker_commit(server->workers[i], gw_config_ref(load->config), script,
                         reloader->plan.shares + i * ports, ports, on_taken, reloader);
    }
}

/* --- the way there --- */

static void on_resolved(void *ctx)
{
    struct gw_reloader *reloader = ctx;

    if (reloader->walk == WALK_RESOLVES)
        commit(reloader);
}

static void on_resolve_time(struct gw_timer *timer)
{
    struct gw_reloader *reloader = container_of(timer, struct gw_reloader, resolve_timer);

    gw_warn("names of upstreams are still being resolved: serving without waiting for them");
    on_resolved(reloader);
}

/* The file is open from the first configuration that has one until the process ends: old
 * generations may still count. */
static bool open_quotas(struct gw_server *server, const struct gw_config *config, char *why,
                        size_t why_size)
{
    char path[PATH_MAX];
    const struct gw_ledger_options options = {
        .path = path,
        .flush_us = config->quotas.flush_us,
        .max_bytes = config->quotas.size,
        .gateway = server->parent ? getppid() : getpid(),
    };

    if (!config->quotas.file.len)
        return true;
    snprintf(path, sizeof(path), "%.*s", GW_SLICE_ARG(config->quotas.file));
    if (!gw_ledger_open(server->ledger, &options, why, why_size))
        return false;
    gw_ledger_start(server->ledger);
    return true;
}

/* Everything outside the workers that can still refuse the configuration. */
static bool arrange(struct gw_reloader *reloader, char *why, size_t why_size)
{
    struct gw_server *server = reloader->server;
    const struct gw_config *config = reloader->load.config;

    if (!server->worker_count)
        gw_server_begin(server, reloader->load.script_count);
    if (!gw_log_writer_prepare(server->log_writer, config, why, why_size) ||
        !open_quotas(server, config, why, why_size) ||
        !gw_port_plan_make(&reloader->plan, &server->ports, config, server->worker_count, why,
                           why_size))
        return false;
    if (gw_admin_arrange(server->admin, config, why, why_size))
        return true;
    gw_port_plan_undo(&reloader->plan, &server->ports);
    return false;
}

static void on_loaded(void *ctx, struct gw_load *load)
{
    struct gw_reloader *reloader = ctx;
    struct gw_server *server = reloader->server;
    char why[512];

    reloader->load = *load;
    *load = (struct gw_load){ 0 };
    load = &reloader->load;
    if (!load->config) {
        char **errors = load->errors;
        unsigned count = load->error_count;

        load->errors = NULL;
        load->error_count = 0;
        end_walk(reloader, false, errors, count);
        return;
    }
    if (reloader->is_closed) {
        fail_walk(reloader, "the gateway is shutting down");
        return;
    }
    if (!arrange(reloader, why, sizeof(why))) {
        fail_walk(reloader, why);
        return;
    }
    /* Not earlier: what fails before this leaves the upstreams as they are. */
    gw_registry_bind(server->registry, load->config);
    gw_name_rules_use(server->loop, load->config);
    reloader->walk = WALK_RESOLVES;
    gw_timer_start(server->loop, &reloader->resolve_timer, RESOLVE_TIME_US, on_resolve_time);
    gw_registry_run(server->registry, server->loop, on_resolved, reloader);
}

static void start_walk(struct gw_reloader *reloader)
{
    struct gw_server *server = reloader->server;
    struct gw_load_options options = {
        .config_path = server->config_path,
        .home = server->home,
        .generation = reloader->current ? reloader->current->generation + 1 : 1,
        .workers = server->worker_count,
        .zones = server->zones,
        .tls = server->tls,
        .sinks = server->sinks,
        .ledger = server->ledger,
        .metrics = server->metrics,
        .on_script_unused = gw_generations_script_unused,
        .ctx = &reloader->generations,
    };

    if (server->state == GW_SERVER_SERVES)
        gw_parent_say_reloading(server->parent);
    reloader->walk = WALK_LOADS;
    memcpy(reloader->why, reloader->later_why, sizeof(reloader->why));
    reloader->asked_later = false;
    GW_LIST_EACH(&reloader->later, node) {
        gw_list_remove(node);
        gw_list_append(&reloader->now, node);
    }
    gw_loader_load(server->loader, &options, on_loaded, reloader);
}

/* --- from outside --- */

void gw_reloader_ask(struct gw_reloader *reloader, const char *why, struct gw_reload_waiter *waiter)
{
    if (reloader->is_closed && !waiter)
        return;
    if (waiter)
        gw_list_append(&reloader->later, &waiter->node);
    if (!reloader->asked_later)
        snprintf(reloader->later_why, sizeof(reloader->later_why), "%s", why);
    reloader->asked_later = true;
    if (reloader->walk == WALK_IDLE)
        start_walk(reloader);
}

struct gw_reloader *gw_reloader_new(struct gw_server *server)
{
    struct gw_reloader *reloader = gw_alloc_zero(sizeof(*reloader));

    reloader->server = server;
    gw_list_init(&reloader->now);
    gw_list_init(&reloader->later);
    gw_generations_init(&reloader->generations, server->loader);
    return reloader;
}

void gw_reloader_close(struct gw_reloader *reloader, void (*closed)(void *ctx), void *ctx)
{
    reloader->is_closed = true;
    reloader->closed = closed;
    reloader->closed_ctx = ctx;
    if (reloader->walk == WALK_RESOLVES) {
        gw_timer_stop(&reloader->resolve_timer);
        gw_port_plan_undo(&reloader->plan, &reloader->server->ports);
        fail_walk(reloader, "the gateway is shutting down");
    } else if (reloader->walk == WALK_IDLE) {
        gw_loop_defer(reloader->server->loop, &reloader->close_later, say_closed);
    }
}

bool gw_reloader_idle(const struct gw_reloader *reloader)
{
    return reloader->walk == WALK_IDLE;
}

void gw_reloader_free(struct gw_reloader *reloader)
{
    GW_ASSERT(reloader->walk == WALK_IDLE);
    gw_config_unref(reloader->current);
    gw_generations_deinit(&reloader->generations);
    free_texts(reloader->warnings, reloader->warning_count);
    free_texts(reloader->last.errors, reloader->last.error_count);
    gw_free(reloader);
}

struct gw_config *gw_reloader_config(const struct gw_reloader *reloader)
{
    return reloader->current;
}

struct gw_generations *gw_reloader_generations(struct gw_reloader *reloader)
{
    return &reloader->generations;
}

const struct gw_reload_result *gw_reloader_last(const struct gw_reloader *reloader)
{
    return &reloader->last;
}

struct gw_reload_counts gw_reloader_counts(const struct gw_reloader *reloader)
{
    return reloader->counts;
}

char *const *gw_reloader_warnings(const struct gw_reloader *reloader, unsigned *count)
{
    *count = reloader->warning_count;
    return reloader->warnings;
}
