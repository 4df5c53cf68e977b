/* /metrics: what the threads counted (telemetry/metrics.h), and what control knows without
 * counting. */
#include "policy/gates.h"
#include "server/error_log.h"
#include "server/log_writer.h"
#include "server/parent.h"
#include "server/server.h"
#include "server/status.h"
#include "server/worker.h"
#include "sink/sink.h"
#include "telemetry/metrics.h"

#include <inttypes.h>

#define GENERATIONS_MAX 1024
#define SINKS_MAX 256
#define OWN_LOGS 2 /* access and error */

static void write_head(struct gw_buf *out, const char *name, const char *type, const char *help)
{
    gw_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_one(struct gw_buf *out, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    write_head(out, name, type, help);
    gw_buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_generations(struct gw_buf *out, struct gw_server *server)
{
    struct gw_generation_info infos[GENERATIONS_MAX];
    unsigned count =
        gw_generations_alive(gw_reloader_generations(server->reloader), infos, GENERATIONS_MAX);
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count && i < GENERATIONS_MAX; i++)
        bytes += infos[i].lua_bytes;
    write_one(out, "moongate_generation", "gauge", "The generation that serves.",
              gw_reloader_last(server->reloader)->generation);
    write_one(out, "moongate_generations_alive", "gauge",
              "Generations that still have requests or Lua states.", count);
    write_one(out, "moongate_lua_memory_bytes", "gauge", "What the Lua states of all workers hold.",
              bytes);
}

static void write_reloads(struct gw_buf *out, const struct gw_server *server)
{
    static const char name[] = "moongate_reloads_total";
    struct gw_reload_counts counts = gw_reloader_counts(server->reloader);

    write_head(out, name, "counter", "Reloads since the start, by how they ended.");
    gw_buf_printf(out, "%s{result=\"good\"} %" PRIu64 "\n%s{result=\"bad\"} %" PRIu64 "\n", name,
                  counts.good, name, counts.bad);
}

static void write_connections(struct gw_buf *out, const struct gw_server *server)
{
    static const char name[] = "moongate_connections";

    write_head(out, name, "gauge", "Open client connections.");
    GW_LIST_EACH(&server->ports.all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);
        unsigned open = atomic_load_explicit(&port->connections, memory_order_relaxed);
        char text[GW_ADDR_TEXT_MAX];

        if (!port->open && !open)
            continue;
        gw_addr_format(&port->addr, text);
        gw_buf_printf(out, "%s{listener=\"%s\"} %u\n", name, text, open);
    }
}

static void write_workers(struct gw_buf *out, const struct gw_server *server)
{
    struct gw_worker_numbers sum = { 0 };

    for (unsigned i = 0; i < server->worker_count; i++) {
        struct gw_worker_numbers one = gw_worker_numbers(server->workers[i]);

        sum.requests += one.requests;
        sum.pooled += one.pooled;
        sum.shed += one.shed;
    }
    write_one(out, "moongate_workers", "gauge", "Worker threads.", server->worker_count);
    write_one(out, "moongate_active_requests", "gauge", "Requests that are being worked on.",
              sum.requests);
    write_one(out, "moongate_upstream_idle_connections", "gauge",
              "Connections to services that wait for the next request.", sum.pooled);
    write_one(out, "moongate_connections_shed_total", "counter",
              "Idle connections, of clients and to services, that were closed because file "
              "descriptors ran out.",
              sum.shed);
}

/* --- zones --- */

static const struct {
    const char *name, *type, *help;
    size_t offset;                 /* in struct gw_zone_stats */
    const struct gw_zone_kind *of; /* NULL: all have it */
} zone_metrics[] = {
    { "moongate_zone_bytes", "gauge", "What the zone holds.", offsetof(struct gw_zone_stats, bytes),
      NULL },
    { "moongate_zone_max_bytes", "gauge", "What it may hold.",
      offsetof(struct gw_zone_stats, max_bytes), NULL },
    { "moongate_zone_entries", "gauge", "How many entries it has.",
      offsetof(struct gw_zone_stats, entries), NULL },
    { "moongate_zone_evicted_total", "counter",
      "Entries that left before their time, for want of room.",
      offsetof(struct gw_zone_stats, evicted), NULL },
    { "moongate_zone_active", "gauge", "Requests that have a place there now.",
      offsetof(struct gw_zone_stats, active), &gw_gates_kind },
    { "moongate_zone_waiting", "gauge", "Requests that wait there for one, or for their turn.",
      offsetof(struct gw_zone_stats, waiting), &gw_gates_kind },
};

struct zone_lines {
    struct gw_buf *out;
    size_t row;
    bool has_head;
};

static void write_zone(const struct gw_zone *zone, const struct gw_zone_stats *stats, void *ctx)
{
    struct zone_lines *lines = ctx;
    const char *name = zone_metrics[lines->row].name;
    uint64_t value;

    if (zone_metrics[lines->row].of && zone_metrics[lines->row].of != zone->kind)
        return;
    memcpy(&value, (const char *)stats + zone_metrics[lines->row].offset, sizeof(value));
    if (!lines->has_head)
        write_head(lines->out, name, zone_metrics[lines->row].type, zone_metrics[lines->row].help);
    lines->has_head = true;
    gw_buf_printf(lines->out, "%s{zone=\"%s\",kind=\"%s\"} %" PRIu64 "\n", name, zone->name,
                  zone->kind->name, value);
}

static void write_zones(struct gw_buf *out, struct gw_server *server)
{
    for (size_t row = 0; row < GW_ARRAY_LEN(zone_metrics); row++) {
        struct zone_lines lines = { .out = out, .row = row };

        gw_zones_each(server->zones, write_zone, &lines);
    }
}

/* --- log plugins --- */

static const struct {
    const char *name, *type, *help;
    size_t offset; /* in struct gw_sink_info */
    bool has_logs; /* the gateway's own two count, too */
} sink_metrics[] = {
    { "moongate_log_dropped_total", "counter",
      "Log lines that found no room, because the sink was too slow or failed.",
      offsetof(struct gw_sink_info, dropped), true },
    { "moongate_log_sent_total", "counter", "Lines of log plugins that were delivered.",
      offsetof(struct gw_sink_info, sent), false },
    { "moongate_log_lost_total", "counter",
      "Lines of log plugins that were given up after their tries.",
      offsetof(struct gw_sink_info, lost), false },
    { "moongate_log_failures_total", "counter",
      "Deliveries of log plugins that did not work; most are tried again.",
      offsetof(struct gw_sink_info, failures), false },
    { "moongate_log_waiting", "gauge", "Lines of log plugins that wait for their delivery.",
      offsetof(struct gw_sink_info, entries), false },
    { "moongate_log_waiting_bytes", "gauge", "Their bytes.", offsetof(struct gw_sink_info, bytes),
      false },
};

static void write_sinks(struct gw_buf *out, struct gw_server *server)
{
    struct gw_sink_info infos[OWN_LOGS + SINKS_MAX];
    unsigned count = OWN_LOGS + gw_sinks_list(server->sinks, infos + OWN_LOGS, SINKS_MAX);

    infos[0] = (struct gw_sink_info){ .name = "access" };
    infos[0].dropped = server->log_writer ? gw_log_writer_dropped(server->log_writer) : 0;
    infos[1] = (struct gw_sink_info){ .name = "error", .dropped = gw_error_log_dropped() };
    for (size_t row = 0; row < GW_ARRAY_LEN(sink_metrics); row++) {
        unsigned first = sink_metrics[row].has_logs ? 0 : OWN_LOGS;

        if (first < count)
            write_head(out, sink_metrics[row].name, sink_metrics[row].type, sink_metrics[row].help);
        for (unsigned i = first; i < count; i++) {
            uint64_t value;

            memcpy(&value, (const char *)&infos[i] + sink_metrics[row].offset, sizeof(value));
            gw_buf_printf(out, "%s{sink=\"%s\"} %" PRIu64 "\n", sink_metrics[row].name,
                          infos[i].name, value);
        }
    }
}

void gw_status_write_metrics(struct gw_buf *out, struct gw_server *server)
{
    write_one(out, "moongate_start_time_seconds", "gauge", "When the process started, since 1970.",
              (uint64_t)(server->started_us / 1000000));
    write_one(out, "moongate_restarts_total", "counter",
              "Worker processes that died and were replaced.", gw_parent_restarts(server->parent));
    write_workers(out, server);
    write_generations(out, server);
    write_reloads(out, server);
    write_connections(out, server);
    write_zones(out, server);
    write_sinks(out, server);
    gw_status_write_breaker_metrics(out, server);
    gw_status_write_upstream_metrics(out, server);
    gw_status_write_line_metrics(out, server);
    gw_status_write_expiry_metrics(out, server);
    gw_status_write_name_metrics(out, server);
    gw_metrics_render(server->metrics, out);
}
