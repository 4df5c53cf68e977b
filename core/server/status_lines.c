/* What /metrics says of upstreams that have a capacity. */
#include "base/json.h"
#include "server/server.h"
#include "server/status.h"
#include "upstream/registry.h"

#include <inttypes.h>

struct writing {
    struct gw_buf *out;
    const char *name; /* of the metric */
};

static void begin(struct writing *writing, const char *name, const char *type, const char *help)
{
    writing->name = name;
    gw_buf_printf(writing->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_line(struct writing *writing, const struct gw_line_info *info, const char *also,
                       uint64_t value)
{
    gw_buf_printf(writing->out, "%s{upstream=", writing->name);
    gw_json_string(writing->out, info->upstream); /* the same escapes */
    gw_buf_printf(writing->out, "%s} %" PRIu64 "\n", also, value);
}

static void write_active(const struct gw_line_info *info, void *ctx)
{
    write_line(ctx, info, "", info->active);
}

static void write_waiting(const struct gw_line_info *info, void *ctx)
{
    write_line(ctx, info, "", info->waiting);
}

static void write_refused(const struct gw_line_info *info, void *ctx)
{
    write_line(ctx, info, ",why=\"full\"", info->full);
    write_line(ctx, info, ",why=\"timeout\"", info->late);
}

static void write_limit(const struct gw_line_info *info, void *ctx)
{
    if (info->limit)
        write_line(ctx, info, "", info->limit);
}

static void write_baseline(const struct gw_line_info *info, void *ctx)
{
    struct writing *writing = ctx;

    if (!info->adaptive)
        return;
    gw_buf_printf(writing->out, "%s{upstream=", writing->name);
    gw_json_string(writing->out, info->upstream);
    gw_buf_printf(writing->out, "} %.6f\n", info->baseline_us / 1e6);
}

void gw_status_write_line_metrics(struct gw_buf *out, struct gw_server *server)
{
    struct writing writing = { .out = out };

    begin(&writing, "moongate_upstream_concurrency", "gauge",
          "Requests at upstreams that have a bound.");
    gw_registry_lines(server->registry, write_active, &writing);
    begin(&writing, "moongate_upstream_concurrency_limit", "gauge",
          "Requests that there may be at a time, as configured or as found out.");
    gw_registry_lines(server->registry, write_limit, &writing);
    begin(&writing, "moongate_upstream_baseline_seconds", "gauge",
          "How long answers take at rest, where the limit is found out; 0: not known yet.");
    gw_registry_lines(server->registry, write_baseline, &writing);
    begin(&writing, "moongate_upstream_pending", "gauge", "Requests that wait for a place there.");
    gw_registry_lines(server->registry, write_waiting, &writing);
    begin(&writing, "moongate_upstream_pending_refused_total", "counter",
          "Requests that found no place to wait, or waited too long.");
    gw_registry_lines(server->registry, write_refused, &writing);
}
