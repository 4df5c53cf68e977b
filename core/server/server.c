/* Start-up: loop, registry, loader; then generation 1 is asked for like any later one. When it was
 * loaded we know how many workers there are and where admin listens (gw_server_begin); when every
 * worker has it, we serve.
 *
 * The end goes the other way round: workers drain and leave, the loader closes their Lua states and
 * leaves, the log writer writes what is left, admin closes last, so that probes see "draining"
 * until then. */
#include "server/server.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/relief.h"
#include "server/admin.h"
#include "server/error_log.h"
#include "server/hearing.h"
#include "server/log_writer.h"
#include "server/open_files.h"
#include "server/options.h"
#include "server/parent.h"
#include "server/tls_store.h"
#include "server/watch.h"
#include "server/watchdog.h"
#include "sink/sink.h"
#include "store/ledger.h"
#include "telemetry/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <signal.h>
#include <unistd.h>

/* After the second signal; then what still does not end never will. */
#define PATIENCE_US 2000000
#define LOAD_PATIENCE_US 5000000 /* a load that nobody wants any more */

/* What log plugins' sinks get at most to deliver what they hold, once the last request has
 * ended. */
#define SINKS_TIME_US 5000000ull

/* What the error log gets to say why we leave. */
#define LAST_WORDS_MS 500

static void close_signals(struct gw_server *server);

/* --- start --- */

/* One line a port, one for the rest: what an operator wants to see after a start. */
static void announce(const struct gw_server *server)
{
    char text[GW_ADDR_TEXT_MAX];

    GW_LIST_EACH(&server->ports.all, node) {
        const struct gw_port *port = container_of(node, struct gw_port, node);

        if (!port->open)
            continue;
        gw_addr_format(&port->addr, text);
        gw_notice("listening on %s", text);
    }
    if (gw_admin_address(server->admin, GW_ADMIN_STATUS, text))
        gw_notice("status on %s", text);
    gw_admin_address(server->admin, GW_ADMIN_FULL, text);
    gw_notice("moongate " GW_VERSION " serves: generation %" PRIu64 ", %u worker%s, admin on %s",
              gw_reloader_config(server->reloader)->generation, server->worker_count,
              server->worker_count == 1 ? "" : "s", text);
}

void gw_server_begin(struct gw_server *server, unsigned workers)
{
    server->log_writer = gw_log_writer_start(workers, server->sinks);
    server->workers = gw_alloc_zero(workers * sizeof(server->workers[0]));
    server->worker_count = workers;
    for (unsigned i = 0; i < workers; i++) {
        struct gw_worker_options options = {
            .index = i,
            .registry = server->registry,
            .metrics = server->metrics,
            .log_writer = server->log_writer,
            .watchdog = server->watchdog,
            .control = server->loop,
        };

        server->workers[i] = gw_worker_start(&options);
    }
}

/* What a new configuration changes outside the workers. */
void gw_server_committed(struct gw_server *server, const struct gw_load *load)
{
    const struct gw_config *config = gw_reloader_config(server->reloader);
    bool starts = server->state == GW_SERVER_STARTS;

    gw_old_generations_look(&server->old_generations);
    gw_watchdog_set_limits(server->watchdog, config->lua_budget_us, config->lua_stuck_limit_us);
    gw_log_set_level((enum gw_log_level)config->log_level);
    if (config->workers && config->workers != server->worker_count)
        gw_warn("workers: %u run, %u are configured: that takes a restart", server->worker_count,
                config->workers);
    if (server->watch_wanted || config->watch)
        gw_watch_set(server->watch, load->watched, load->watched_count);
    else
        gw_watch_set(server->watch, NULL, 0);
    if (!starts)
        return;
    server->state = GW_SERVER_SERVES;
    announce(server);
}

/* --- stop --- */

static void take_down(struct gw_defer *defer)
{
    struct gw_server *server = container_of(defer, struct gw_server, finish);

    if (!gw_reloader_idle(server->reloader))
        return; /* it was asked once more; its end comes back here */
    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_join(server->workers[i]);
    gw_free(server->workers);
    server->workers = NULL;
    gw_timer_stop(&server->patience);
    gw_hearing_free(server->hearing);
    gw_sinks_stop(server->sinks);
    gw_registry_stop(server->registry);
    gw_watch_free(server->watch);
    gw_admin_free(server->admin);
    close_signals(server);
    gw_parent_close(server->parent);
    server->state = GW_SERVER_STOPPED;
    gw_loop_stop(server->loop);
}

static void on_sinks_flushed(void *ctx)
{
    struct gw_server *server = ctx;

    gw_loop_defer(server->loop, &server->finish, take_down);
}

static void leave_without_loader(void *ctx)
{
    (void)ctx;
    gw_error("a configuration is still being loaded and does not end: leaving without it (look "
             "for an endless loop in a plugin's init or at load time)");
    gw_log_flush(LAST_WORDS_MS);
    _exit(GW_EXIT_BAD);
}

/* Nobody is served any more; whoever waits for this process to end shall not wait for ever. */
static void on_endless_load(struct gw_timer *timer)
{
    struct gw_server *server = container_of(timer, struct gw_server, patience);

    if (server->workers_done == server->worker_count && !server->reloader_closed)
        gw_sinks_flush(server->sinks, SINKS_TIME_US, leave_without_loader, server);
}

static void finish_when_quiet(struct gw_server *server)
{
    const struct gw_config *config = gw_reloader_config(server->reloader);
    uint64_t most = config ? config->drain_timeout_us : 0;

    if (server->workers_done < server->worker_count)
        return;
    if (!server->reloader_closed) {
        gw_timer_start(server->loop, &server->patience, LOAD_PATIENCE_US, on_endless_load);
        return;
    }
    gw_sinks_flush(server->sinks, most < SINKS_TIME_US ? most : SINKS_TIME_US, on_sinks_flushed,
                   server);
}

static void on_worker_done(void *ctx)
{
    struct gw_server *server = ctx;

    server->workers_done++;
    finish_when_quiet(server);
}

static void on_reloader_closed(void *ctx)
{
    struct gw_server *server = ctx;

    server->reloader_closed = true;
    finish_when_quiet(server);
}

static uint64_t drain_timeout(const struct gw_server *server)
{
    const struct gw_config *config = gw_reloader_config(server->reloader);

    return config ? config->drain_timeout_us : 0;
}

/* Not ready any more, no more connections, no more reloads. */
static void leave(struct gw_server *server)
{
    server->state = GW_SERVER_DRAINS;
    gw_old_generations_stop(&server->old_generations);
    gw_parent_say_leaving(server->parent);
    gw_reloader_close(server->reloader, on_reloader_closed, server);
}

static void drain_workers(struct gw_server *server)
{
    if (server->drain_timeout_us) /* else nothing was configured yet */
        gw_notice("stopping: requests under way have %.1f s to end",
                  (double)server->drain_timeout_us / 1e6);
    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_drain(server->workers[i], server->drain_timeout_us, on_worker_done, server);
}

static void on_delay_over(struct gw_timer *timer)
{
    drain_workers(container_of(timer, struct gw_server, delay));
}

/* Whoever probes gets time to see that it is not ready, before connections are refused. */
static void begin_drain(struct gw_server *server)
{
    const struct gw_config *config = gw_reloader_config(server->reloader);
    uint64_t delay_us = config && server->state == GW_SERVER_SERVES ? config->drain_delay_us : 0;

    server->drain_timeout_us = drain_timeout(server);
    if (!server->retires)
        leave(server);
    server->retires = false;
    if (!delay_us) {
        drain_workers(server);
        return;
    }
    gw_notice("stopping: not ready any more; takes connections for another %.1f s",
              (double)delay_us / 1e6);
    gw_timer_start(server->loop, &server->delay, delay_us, on_delay_over);
}

/* Another process serves: what drains beside it is in nobody's way and has all the time it
 * wants. */
static void retire(struct gw_server *server)
{
    gw_notice("another worker process serves: this one ends with its last stream");
    server->retires = true;
    gw_ledger_hand_over(server->ledger);
    leave(server);
    gw_watch_set(server->watch, NULL, 0);
    gw_admin_retire(server->admin);
    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_retire(server->workers[i], on_worker_done, server);
}

static void on_out_of_patience(struct gw_timer *timer)
{
    (void)timer;
    gw_error("a worker does not end (look for an endless loop in a hook): leaving without it");
    gw_log_flush(LAST_WORDS_MS);
    _exit(GW_EXIT_BAD);
}

/* Told again: whoever asks twice does not want to wait. */
static void hurry_drain(struct gw_server *server)
{
    if (server->workers_done == server->worker_count && server->reloader_closed) {
        gw_notice("told to stop again: log lines that still wait are given up");
        gw_sinks_flush(server->sinks, 0, on_sinks_flushed, server);
        return;
    }
    if (server->workers_done == server->worker_count)
        leave_without_loader(server);
    gw_timer_stop(&server->delay);
    gw_notice("told to stop again: ending what still runs");
    if (!gw_timer_running(&server->patience))
        gw_timer_start(server->loop, &server->patience, PATIENCE_US, on_out_of_patience);
    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_drain(server->workers[i], 0, on_worker_done, server);
}

void gw_server_stop(struct gw_server *server, int exit_code)
{
    switch (server->state) {
    case GW_SERVER_STARTS:
    case GW_SERVER_SERVES:
        server->exit_code = exit_code;
        begin_drain(server);
        return;
    case GW_SERVER_DRAINS:
        if (server->retires)
            begin_drain(server);
        else
            hurry_drain(server);
        return;
    case GW_SERVER_STOPPED:
        return;
    }
}

/* --- being told to end --- */

/* Ctrl-C reaches us and the supervisor, which tells us, too; so does a service manager that ends
 * all processes of a service. Twice from the same side is what a second time means. */
static void told_to_stop(struct gw_server *server, unsigned *times)
{
    (*times)++;
    if (server->state == GW_SERVER_DRAINS && *times == 1 && !server->retires)
        return;
    gw_server_stop(server, GW_EXIT_GOOD);
}

static void on_parent_stops(void *ctx)
{
    struct gw_server *server = ctx;

    told_to_stop(server, &server->stops_by_parent);
}

static void on_parent_gone(void *ctx)
{
    struct gw_server *server = ctx;

    gw_error("the supervisor is gone: this process ends, too");
    told_to_stop(server, &server->stops_by_parent);
}

static void on_parent_retires(void *ctx)
{
    struct gw_server *server = ctx;

    if (server->state == GW_SERVER_SERVES)
        retire(server);
}

/* --- signals --- */

static void on_signal(uv_signal_t *handle, int number)
{
    struct gw_server *server = handle->data;

    gw_loop_woke(server->loop);
    switch (number) {
    case SIGHUP:
        gw_reloader_ask(server->reloader, "SIGHUP", NULL);
        break;
    case SIGUSR1:
        if (server->log_writer)
            gw_log_writer_reopen(server->log_writer);
        gw_sinks_reopen_files(server->sinks);
        break;
    case SIGUSR2: /* an upgrade is the supervisor's work */
        break;
    default: /* SIGTERM, SIGINT */
        told_to_stop(server, &server->stops_by_signal);
    }
}

static const int signal_numbers[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGTERM, SIGINT };

static void open_signals(struct gw_server *server)
{
    static_assert(GW_ARRAY_LEN(signal_numbers) == GW_ARRAY_LEN(server->signals), "one handle each");
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < GW_ARRAY_LEN(signal_numbers); i++) {
        uv_signal_init(&server->loop->uv, &server->signals[i]);
        server->signals[i].data = server;
        int error =
            GW_FAULT_UV(SIGNAL, uv_signal_start(&server->signals[i], on_signal, signal_numbers[i]));

        if (error)
            gw_fatal("cannot listen to signals: %s", uv_strerror(error));
    }
}

/* libuv gives the signals their default back, which would end the process with its log half
 * written: from here on they are nobody's business. */
static void close_signals(struct gw_server *server)
{
    for (size_t i = 0; i < GW_ARRAY_LEN(server->signals); i++) {
        uv_close((uv_handle_t *)&server->signals[i], NULL); /* they live as long as the loop */
        signal(signal_numbers[i], SIG_IGN);
    }
}

/* --- run --- */

static void on_first(struct gw_reload_waiter *waiter, const struct gw_reload_result *result)
{
    if (!result->ok)
        gw_server_stop(container_of(waiter, struct gw_server, first), GW_EXIT_BAD);
}

static void open_sockets(struct gw_server *server)
{
    static const struct gw_parent_events events = { on_parent_stops, on_parent_retires,
                                                    on_parent_gone };

    server->parent = gw_parent_open(server->loop, &events, server);
    gw_ports_init(&server->ports,
                  server->parent ? gw_parent_sockets(server->parent) : gw_socket_source_new());
}

/* The admin listener has no idle connections worth speaking of. */
static void ask_workers(void *ctx)
{
    struct gw_server *server = ctx;

    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_relieve(server->workers[i]);
}

static void start(struct gw_server *server)
{
    const struct gw_sinks_options sinks = { .loop = server->loop };

    server->started_us = server->loop->clock.wall_us;
    gw_open_files_raise();
    gw_relief_ask_others(server->loop, ask_workers, server);
    server->sinks = gw_sinks_new(&sinks);
    gw_error_log_install();
    open_sockets(server);
    open_signals(server);
    server->watchdog = gw_watchdog_start();
    server->hearing = gw_hearing_new(server->loop, server->registry, server->watchdog);
    gw_old_generations_init(&server->old_generations, server);
    server->loader = gw_loader_start(server->loop, server->watchdog);
    server->reloader = gw_reloader_new(server);
    server->admin = gw_admin_new(server);
    server->watch = gw_watch_new(server);
    server->first.done = on_first;
    gw_reloader_ask(server->reloader, "start", &server->first);
}

/* Nothing runs any more but the loader, which may get the last Lua states now. */
static void free_all(struct gw_server *server)
{
    gw_loader_stop(server->loader);
    gw_watchdog_stop(server->watchdog);
    if (!gw_ledger_stop(server->ledger)) {
        gw_error("quotas cannot be written and their disk does not say why: leaving without them");
        gw_log_flush(LAST_WORDS_MS);
        _exit(server->exit_code);
    }
    if (server->log_writer && !gw_log_writer_stop(server->log_writer)) {
        gw_error_log_abandon("a log cannot be written and does not say why: leaving without it");
        _exit(server->exit_code);
    }
    gw_loop_free(server->loop);
    gw_ledger_free(server->ledger);
    gw_sinks_free(server->sinks);
    gw_reloader_free(server->reloader);
    gw_ports_deinit(&server->ports);
    gw_parent_free(server->parent);
    gw_registry_free(server->registry);
    gw_zones_free(server->zones);
    gw_tls_store_free(server->tls);
    gw_metrics_free(server->metrics);
    gw_error_log_close();
    gw_arena_trim();
}

int gw_server_run(const char *config_path, const char *home, bool watch)
{
    struct gw_server server = {
        .config_path = config_path,
        .home = home,
        .watch_wanted = watch,
        .loop = gw_loop_new(false),
        .registry = gw_registry_new(),
        .zones = gw_zones_new(),
        .ledger = gw_ledger_new(),
        .tls = gw_tls_store_new(),
        .metrics = gw_metrics_new(GW_WORKERS_MAX + 1), /* control is the last writer */
    };

    start(&server);
    gw_loop_run(server.loop);
    free_all(&server);
    return server.exit_code;
}
