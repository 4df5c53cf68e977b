/* How requests come: handshakes of TLS, versions of HTTP and TLS. */
#include "http/exchange.h"
#include "proxy/counters.h"

void gw_counters_init_ways(struct gw_counters *counters)
{
    struct gw_metrics *metrics = counters->metrics;

    counters->handshakes =
        gw_metrics_family(metrics, &(struct gw_metric_def){
                                       .name = "moongate_tls_handshakes_total",
                                       .help = "TLS handshakes of clients, by how they ended.",
                                       .kind = GW_METRIC_COUNTER,
                                       .labels = { "result", "version", "resumed" },
                                   });
    counters->protocols =
        gw_metrics_family(metrics, &(struct gw_metric_def){
                                       .name = "moongate_protocol_requests_total",
                                       .help = "Requests by version of HTTP and of TLS.",
                                       .kind = GW_METRIC_COUNTER,
                                       .labels = { "http", "tls" },
                                   });
}

void gw_count_handshake(const struct gw_counters *counters, enum gw_tls_failure failure,
                        const struct gw_tls_facts *facts)
{
    const struct gw_slice labels[] = {
        gw_slice_from(failure ? gw_tls_failure_reason(failure) : "ok"),
        gw_slice_from(facts ? facts->version : ""),
        gw_slice_from(!facts           ? ""
                      : facts->resumed ? "true"
                                       : "false"),
    };

    if (counters->metrics)
        gw_metric_add(counters->metrics, gw_metric_series(counters->handshakes, labels),
                      counters->writer, 1);
}

/* ── requests, by what they came over ──────────────────────────────────────── */

static const char *const http_names[GW_COUNTED_HTTP] = { "other", "1.0", "1.1", "2" };

static unsigned http_index(const struct gw_exchange *x)
{
    switch (x->request.version) {
    case 10:
        return 1;
    case 11:
        return 2;
    case 20:
        return 3;
    default:
        return 0;
    }
}

static unsigned tls_index(const struct gw_exchange *x)
{
    if (!x->tls)
        return 0;
    return strcmp(x->tls->version, "TLSv1.2") == 0 ? 1 : 2;
}

void gw_count_way(struct gw_counters *counters, const struct gw_exchange *x)
{
    unsigned http = http_index(x), tls = tls_index(x);
    gw_metric *place = &counters->by_protocol[http][tls];

    if (*place == GW_METRIC_NONE) {
        const struct gw_slice labels[] = { gw_slice_from(http_names[http]),
                                           gw_slice_from(tls ? x->tls->version : "") };

        *place = gw_metric_series(counters->protocols, labels);
    }
    gw_metric_add(counters->metrics, *place, counters->writer, 1);
}
