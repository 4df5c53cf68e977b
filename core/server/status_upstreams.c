/* /upstreams, and what /metrics says of targets' health. */
#include "base/json.h"
#include "server/server.h"
#include "server/status.h"
#include "upstream/registry.h"

#include <inttypes.h>

struct writing {
    struct gw_buf *out;
    struct gw_server *server;
    const char *name; /* of the metric */
    bool later_upstream, later_target;
};

/* ── /upstreams ────────────────────────────────────────────────────────────── */

static void write_text(struct gw_buf *out, const char *field, struct gw_slice text)
{
    gw_buf_printf(out, "\"%s\":", field);
    gw_json_string(out, text);
}

static void write_upstream(const struct gw_upstream_info *info, void *ctx)
{
    struct writing *writing = ctx;

    gw_buf_append(writing->out, writing->later_upstream ? GW_SLICE("]},\n{") : GW_SLICE("{"));
    write_text(writing->out, "upstream", info->name);
    gw_buf_printf(writing->out,
                  ",\"chooses\":\"%s\",\"panicRequests\":%" PRIu64 ",\"refused\":%" PRIu64
                  ",\"targets\":[",
                  gw_balance_why_text(info->mood), info->panicked, info->refused);
    writing->later_upstream = true;
    writing->later_target = false;
}

static void write_counts(struct gw_buf *out, const struct gw_target_info *info)
{
    gw_buf_append(out, GW_SLICE(",\"checks\":{"));
    for (unsigned i = 0; i < GW_ARRAY_LEN(info->checks); i++)
        gw_buf_printf(out, "%s\"%s\":%" PRIu64, i ? "," : "",
                      gw_health_report_text((enum gw_health_report)i), info->checks[i]);
    gw_buf_append(out, GW_SLICE("},\"ejections\":{"));
    for (unsigned i = GW_EJECTION_NONE + 1; i < GW_ARRAY_LEN(info->ejections); i++)
        gw_buf_printf(out, "%s\"%s\":%" PRIu64, i > GW_EJECTION_NONE + 1 ? "," : "",
                      gw_ejection_why_text((enum gw_ejection_why)i), info->ejections[i]);
    gw_buf_append(out, GW_SLICE("}}"));
}

static void write_target(const struct gw_target_info *info, void *ctx)
{
    struct writing *writing = ctx;
    struct gw_buf *out = writing->out;

    gw_buf_append(out, writing->later_target ? GW_SLICE(",\n  {") : GW_SLICE("\n  {"));
    writing->later_target = true;
    write_text(out, "target", info->target);
    gw_buf_append_char(out, ',');
    write_text(out, "address", info->address);
    gw_buf_printf(out,
                  ",\"weight\":%u,\"priority\":%u,\"inFlight\":%u,\"state\":\"%s\",\"by\":\"%s\","
                  "\"why\":\"%s\",\"since\":",
                  info->weight, info->priority, info->in_flight, info->state, info->by, info->why);
    gw_status_write_time(out, info->since_us);
    gw_buf_printf(out,
                  ",\"ejectedForMs\":%" PRIu64 ",\"successes\":%u,\"httpFailures\":%u,"
                  "\"tcpFailures\":%u,\"timeouts\":%u",
                  info->ejected_for_us / 1000, info->look.successes, info->look.http_failures,
                  info->look.tcp_failures, info->look.timeouts);
    write_counts(out, info);
}

static void visit(struct writing *writing, const struct gw_upstream_visitor *visitor)
{
    gw_registry_upstreams(writing->server->registry, writing->server->loop->clock.now_us, visitor,
                          writing);
}

void gw_status_write_upstreams(struct gw_buf *out, struct gw_server *server)
{
    const struct gw_upstream_visitor visitor = { write_upstream, write_target };
    struct writing writing = { .out = out, .server = server };

    gw_buf_append_char(out, '[');
    visit(&writing, &visitor);
    gw_buf_append(out, writing.later_upstream ? GW_SLICE("]}]\n") : GW_SLICE("]\n"));
}

/* ── /metrics ──────────────────────────────────────────────────────────────── */

static void begin(struct writing *writing, const char *name, const char *type, const char *help)
{
    writing->name = name;
    gw_buf_printf(writing->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_target_line(struct writing *writing, const struct gw_target_info *info,
                              const char *label, const char *value, uint64_t count)
{
    gw_buf_printf(writing->out, "%s{upstream=", writing->name);
    gw_json_string(writing->out, info->upstream); /* the same escapes */
    gw_buf_append(writing->out, GW_SLICE(",target="));
    gw_json_string(writing->out, info->target);
    gw_buf_append(writing->out, GW_SLICE(",address="));
    gw_json_string(writing->out, info->address);
    gw_buf_printf(writing->out, ",%s=\"%s\"} %" PRIu64 "\n", label, value, count);
}

static void write_state(const struct gw_target_info *info, void *ctx)
{
    static const char *const states[] = { "healthy", "unhealthy", "unchecked", "ejected" };

    for (unsigned i = 0; i < GW_ARRAY_LEN(states); i++)
        write_target_line(ctx, info, "state", states[i], strcmp(states[i], info->state) == 0);
}

static void write_checks(const struct gw_target_info *info, void *ctx)
{
    for (unsigned i = 0; i < GW_ARRAY_LEN(info->checks); i++)
        write_target_line(ctx, info, "result", gw_health_report_text((enum gw_health_report)i),
                          info->checks[i]);
}

static void write_ejections(const struct gw_target_info *info, void *ctx)
{
    for (unsigned i = GW_EJECTION_NONE + 1; i < GW_ARRAY_LEN(info->ejections); i++)
        write_target_line(ctx, info, "why", gw_ejection_why_text((enum gw_ejection_why)i),
                          info->ejections[i]);
}

static void write_upstream_line(struct writing *writing, const struct gw_upstream_info *info,
                                uint64_t value)
{
    gw_buf_printf(writing->out, "%s{upstream=", writing->name);
    gw_json_string(writing->out, info->name);
    gw_buf_printf(writing->out, "} %" PRIu64 "\n", value);
}

static void write_panic(const struct gw_upstream_info *info, void *ctx)
{
    write_upstream_line(ctx, info, info->mood == GW_BALANCE_PANIC);
}

static void write_panicked(const struct gw_upstream_info *info, void *ctx)
{
    write_upstream_line(ctx, info, info->panicked);
}

static void write_refused(const struct gw_upstream_info *info, void *ctx)
{
    write_upstream_line(ctx, info, info->refused);
}

void gw_status_write_upstream_metrics(struct gw_buf *out, struct gw_server *server)
{
    static const struct {
        const char *name, *type, *help;
        struct gw_upstream_visitor visitor;
    } families[] = {
        { "moongate_upstream_target_health",
          "gauge",
          "1 for the state a target is in.",
          { NULL, write_state } },
        { "moongate_upstream_checks_total",
          "counter",
          "Active checks that ended, by result.",
          { NULL, write_checks } },
        { "moongate_upstream_ejections_total",
          "counter",
          "How often a target was ejected.",
          { NULL, write_ejections } },
        { "moongate_upstream_panic",
          "gauge",
          "1 while too few targets are healthy and all of them are used.",
          { write_panic, NULL } },
        { "moongate_upstream_panic_requests_total",
          "counter",
          "Requests that were sent without a look at health.",
          { write_panicked, NULL } },
        { "moongate_upstream_refused_total",
          "counter",
          "Requests that found no target that may be used.",
          { write_refused, NULL } },
    };
    struct writing writing = { .out = out, .server = server };

    for (unsigned i = 0; i < GW_ARRAY_LEN(families); i++) {
        begin(&writing, families[i].name, families[i].type, families[i].help);
        visit(&writing, &families[i].visitor);
    }
}
