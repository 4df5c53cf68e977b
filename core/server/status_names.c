/* What /metrics says of the names of upstreams. */
#include "base/json.h"
#include "server/server.h"
#include "server/status.h"
#include "upstream/registry.h"

struct writing {
    struct gw_buf *out;
    const char *metric;
};

static void begin(struct writing *writing, const char *metric, const char *help)
{
    writing->metric = metric;
    gw_buf_printf(writing->out, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
}

static void write_line(const struct writing *writing, const struct gw_name_info *info,
                       unsigned value)
{
    gw_buf_printf(writing->out, "%s{name=", writing->metric);
    gw_json_string(writing->out, gw_slice_from(info->host)); /* the same escapes */
    gw_buf_printf(writing->out, ",type=\"%s\"} %u\n", info->services ? "srv" : "address", value);
}

static void write_addresses(const struct gw_name_info *info, void *ctx)
{
    write_line(ctx, info, info->addresses);
}

static void write_stale(const struct gw_name_info *info, void *ctx)
{
    write_line(ctx, info, info->stale);
}

void gw_status_write_name_metrics(struct gw_buf *out, struct gw_server *server)
{
    struct writing writing = { .out = out };

    begin(&writing, "moongate_dns_addresses", "Addresses that a name of an upstream has.");
    gw_registry_names(server->registry, write_addresses, &writing);
    begin(&writing, "moongate_dns_stale",
          "1 while a name's last good answer is used, because there is no newer one.");
    gw_registry_names(server->registry, write_stale, &writing);
}
