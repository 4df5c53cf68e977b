/* /breakers, and what /metrics says of circuit breakers. */
#include "base/json.h"
#include "server/server.h"
#include "server/status.h"
#include "upstream/registry.h"

#include <inttypes.h>

struct writing {
    struct gw_buf *out;
    const char *name; /* of the metric */
    bool later;       /* not the first line */
};

/* ── /breakers ─────────────────────────────────────────────────────────────── */

static void write_breaker(const struct gw_breaker_info *info, void *ctx)
{
    struct writing *writing = ctx;
    const struct gw_breaker_look *look = &info->look;

    gw_buf_append(writing->out, writing->later ? GW_SLICE(",\n{") : GW_SLICE("{"));
    gw_buf_append(writing->out, info->of_route ? GW_SLICE("\"route\":") : GW_SLICE("\"service\":"));
    gw_json_string(writing->out, info->name);
    gw_buf_printf(writing->out,
                  ",\"state\":\"%s\",\"failuresInARow\":%u,\"probes\":%u,\"successes\":%u,"
                  "\"probesInMs\":%" PRIu64 ",\"opened\":%" PRIu64 ",\"refused\":%" PRIu64 "}",
                  gw_breaker_state_text(look->state), look->failures, look->probes, look->successes,
                  look->opens_in_us / 1000, info->opened, info->refused);
    writing->later = true;
}

void gw_status_write_breakers(struct gw_buf *out, struct gw_server *server)
{
    struct writing writing = { .out = out };

    gw_buf_append_char(out, '[');
    gw_registry_breakers(server->registry, server->loop->clock.now_us, write_breaker, &writing);
    gw_buf_append(out, GW_SLICE("]\n"));
}

/* ── /metrics ──────────────────────────────────────────────────────────────── */

static void begin(struct writing *writing, const char *name, const char *type, const char *help)
{
    writing->name = name;
    gw_buf_printf(writing->out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_line(struct writing *writing, const struct gw_breaker_info *info,
                       const char *also, uint64_t value)
{
    gw_buf_printf(writing->out, "%s{%s=", writing->name, info->of_route ? "route" : "service");
    gw_json_string(writing->out, info->name); /* the same escapes */
    gw_buf_printf(writing->out, "%s} %" PRIu64 "\n", also, value);
}

static void write_state(const struct gw_breaker_info *info, void *ctx)
{
    write_line(ctx, info, ",state=\"closed\"", info->look.state == GW_BREAKER_CLOSED);
    write_line(ctx, info, ",state=\"open\"", info->look.state == GW_BREAKER_OPEN);
    write_line(ctx, info, ",state=\"half_open\"", info->look.state == GW_BREAKER_HALF_OPEN);
}

static void write_opened(const struct gw_breaker_info *info, void *ctx)
{
    write_line(ctx, info, "", info->opened);
}

static void write_refused(const struct gw_breaker_info *info, void *ctx)
{
    write_line(ctx, info, "", info->refused);
}

void gw_status_write_breaker_metrics(struct gw_buf *out, struct gw_server *server)
{
    struct writing writing = { .out = out };
    uint64_t now_us = server->loop->clock.now_us;

    begin(&writing, "moongate_breaker_state", "gauge", "1 for the state a circuit breaker is in.");
    gw_registry_breakers(server->registry, now_us, write_state, &writing);
    begin(&writing, "moongate_breaker_opened_total", "counter", "How often it opened.");
    gw_registry_breakers(server->registry, now_us, write_opened, &writing);
    begin(&writing, "moongate_breaker_refused_total", "counter",
          "Requests it answered without the service.");
    gw_registry_breakers(server->registry, now_us, write_refused, &writing);
}
