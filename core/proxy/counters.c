#include "proxy/counters.h"

#include "base/alloc.h"
#include "base/check.h"
#include "config/config.h"
#include "http/exchange.h"
#include "upstream/call.h"

#include <stdio.h>

static struct gw_metric_family *family(struct gw_metrics *metrics, const char *name,
                                       const char *help, enum gw_metric_kind kind,
                                       const char *second, const char *third, unsigned max_series)
{
    return gw_metrics_family(metrics, &(struct gw_metric_def){
                                          .name = name,
                                          .help = help,
                                          .kind = kind,
                                          .labels = { "service", second, third },
                                          .max_series = max_series,
                                      });
}

static void on_call_begun(struct gw_call_watch *watch, struct gw_slice service);
static void on_call_ended(struct gw_call_watch *watch, struct gw_slice service,
                          const struct gw_call_info *call, enum gw_error error);

void gw_counters_init(struct gw_counters *counters, struct gw_metrics *metrics, unsigned writer)
{
    *counters = (struct gw_counters){
        .metrics = metrics,
        .writer = writer,
        .watch = { on_call_begun, on_call_ended },
    };
    if (!metrics)
        return;
    counters->requests = family(metrics, "moongate_requests_total", "Requests answered.",
                                GW_METRIC_COUNTER, "route", "code", 10000);
    counters->grpc = family(metrics, "moongate_grpc_requests_total",
                            "gRPC calls ended, by the number of their status.", GW_METRIC_COUNTER,
                            "route", "status", 10000);
    counters->duration =
        family(metrics, "moongate_request_duration_seconds", "From the request's head to its end.",
               GW_METRIC_HISTOGRAM, "route", NULL, 10000);
    counters->upstream_requests =
        family(metrics, "moongate_upstream_requests_total",
               "Requests sent to services, by outcome: ok, or why it failed.", GW_METRIC_COUNTER,
               "outcome", NULL, 10000);
    counters->upstream_retries = family(metrics, "moongate_upstream_retries_total",
                                        "Tries beyond the first, by why the one before failed.",
                                        GW_METRIC_COUNTER, "reason", NULL, 10000);
    counters->upstream_retried = family(metrics, "moongate_upstream_retried_requests_total",
                                        "Requests that were tried again, by whether that helped.",
                                        GW_METRIC_COUNTER, "outcome", NULL, 0);
    counters->upstream_hedged =
        family(metrics, "moongate_upstream_hedged_requests_total",
               "Requests that were sent to a second target, by whether that one answered first.",
               GW_METRIC_COUNTER, "outcome", NULL, 0);
    counters->upstream_over_budget =
        family(metrics, "moongate_upstream_retries_refused_total",
               "Requests that were not tried again because the budget of retries was spent.",
               GW_METRIC_COUNTER, NULL, NULL, 0);
    counters->upstream_connect =
        family(metrics, "moongate_upstream_connect_duration_seconds",
               "How long new connections to services took.", GW_METRIC_HISTOGRAM, NULL, NULL, 0);
    counters->mirrors = family(metrics, "moongate_mirror_requests_total",
                               "Copies of requests for services, by what became of them.",
                               GW_METRIC_COUNTER, "outcome", NULL, 10000);
    counters->rejections = gw_metrics_family(
        metrics, &(struct gw_metric_def){
                     .name = "moongate_limit_rejections_total",
                     .help = "Requests and connections that passed a limit, by the limit.",
                     .kind = GW_METRIC_COUNTER,
                     .labels = { "limit" },
                 });
    gw_counters_init_ways(counters);
    counters->upstream_active = family(metrics, "moongate_upstream_active_requests",
                                       "Requests at services now.", GW_METRIC_GAUGE, NULL, NULL, 0);
}

void gw_series_init(struct gw_series *series, const struct gw_config *config)
{
    series->route_count = config->route_count;
    series->service_count = config->service_count;
    series->routes = gw_alloc_zero((config->route_count + 1) * sizeof(struct gw_route_series *));
    series->services =
        gw_alloc_zero((config->service_count + 1) * sizeof(struct gw_service_series *));
}

void gw_series_deinit(struct gw_series *series)
{
    for (unsigned i = 0; i <= series->route_count; i++) {
        if (series->routes[i])
            gw_free(series->routes[i]->grpc);
        gw_free(series->routes[i]);
    }
    for (unsigned i = 0; i <= series->service_count; i++)
        gw_free(series->services[i]);
    gw_free(series->routes);
    gw_free(series->services);
    *series = (struct gw_series){ 0 };
}

/* ── requests, by route ────────────────────────────────────────────────────── */

static const struct gw_service *service_of(const struct gw_exchange *x)
{
    return x->route ? x->route->service : NULL;
}

static struct gw_slice service_name(const struct gw_exchange *x)
{
    const struct gw_service *service = service_of(x);

    return service ? service->name : GW_SLICE_EMPTY;
}

static struct gw_slice route_name(const struct gw_exchange *x)
{
    return x->route ? x->route->name : GW_SLICE_EMPTY;
}

static struct gw_route_series *of_route(const struct gw_counters *counters,
                                        struct gw_series *series, const struct gw_exchange *x)
{
    struct gw_route_series **place =
        &series->routes[x->route ? x->route->index : series->route_count];
    struct gw_slice labels[] = { service_name(x), route_name(x) };

    if (*place)
        return *place;
    *place = gw_alloc_zero(sizeof(**place));
    (*place)->duration = gw_metric_series(counters->duration, labels);
    return *place;
}

/* https://www.iana.org/assignments/http-status-codes, and 499 for a client that went away. */
static bool is_registered(int status)
{
    static const struct {
        short first, last;
    } ranges[] = {
        { 100, 104 }, { 200, 208 }, { 226, 226 }, { 300, 308 }, { 400, 418 }, { 421, 426 },
        { 428, 429 }, { 431, 431 }, { 451, 451 }, { 499, 499 }, { 500, 508 }, { 510, 511 },
    };

    for (size_t i = 0; i < GW_ARRAY_LEN(ranges); i++)
        if (status >= ranges[i].first && status <= ranges[i].last)
            return true;
    return false;
}

int gw_counted_code(int status)
{
    if (is_registered(status))
        return status;
    return status >= 100 && status < 600 ? status / 100 : 0;
}

static struct gw_slice code_label(int code, char *out, size_t size)
{
    int len = code == 0   ? snprintf(out, size, "other")
              : code < 10 ? snprintf(out, size, "%dxx", code)
                          : snprintf(out, size, "%d", code);

    return gw_slice(out, (size_t)len);
}

static gw_metric requests_of(const struct gw_counters *counters, struct gw_route_series *route,
                             const struct gw_exchange *x, int status)
{
    char text[12];

    for (unsigned i = 0; i < route->codes; i++)
        if (route->by_code[i].status == status)
            return route->by_code[i].requests;

    struct gw_slice labels[] = { service_name(x), route_name(x),
                                 code_label(gw_counted_code(status), text, sizeof(text)) };
    gw_metric requests = gw_metric_series(counters->requests, labels);

    if (route->codes < GW_COUNTED_CODES) {
        route->by_code[route->codes].status = status;
        route->by_code[route->codes++].requests = requests;
    }
    return requests;
}

/* The limit of the configuration behind an error. */
static const char *const limit_names[GW_E_COUNT] = {
    [GW_E_HEAD_TOO_LARGE] = "head",
    [GW_E_UPSTREAM_HEAD_TOO_LARGE] = "head",
    [GW_E_TARGET_TOO_LONG] = "target",
    [GW_E_HEAD_SLOW] = "head_timeout",
    [GW_E_BODY_TOO_LARGE] = "body",
    [GW_E_UPSTREAM_BODY_TOO_LARGE] = "buffer",
    [GW_E_BODY_SLOW] = "body_min_rate",
    [GW_E_WRITE_SLOW] = "body_min_rate",
    [GW_E_TOTAL_TIMEOUT] = "total_timeout",
    [GW_E_CONNECTIONS] = "connections",
    [GW_E_CLIENT_CONNECTIONS] = "connections_per_client",
    [GW_E_OVERLOADED] = "pending",
    [GW_E_WEBSOCKET_TOO_LARGE] = "websocket",
    [GW_E_UPSTREAM_WEBSOCKET_TOO_LARGE] = "websocket",
    [GW_E_UPSTREAM_FULL] = "max_pending",
    [GW_E_UPSTREAM_WAIT] = "pending_timeout",
    [GW_E_DESCRIPTORS] = "descriptors",
};

static void count_rejection(const struct gw_counters *counters, enum gw_error error)
{
    struct gw_slice limit;

    if (!limit_names[error])
        return;
    limit = gw_slice_from(limit_names[error]);
    gw_metric_add(counters->metrics, gw_metric_series(counters->rejections, &limit),
                  counters->writer, 1);
}

void gw_count_mirror(const struct gw_counters *counters, struct gw_slice service,
                     struct gw_slice outcome)
{
    const struct gw_slice labels[] = { service, outcome };

    if (counters->metrics)
        gw_metric_add(counters->metrics, gw_metric_series(counters->mirrors, labels),
                      counters->writer, 1);
}

void gw_count_request(struct gw_counters *counters, struct gw_series *series,
                      const struct gw_exchange *x, int status)
{
    if (!counters->metrics)
        return;
    gw_count_way(counters, x);
    if (x->error)
        count_rejection(counters, x->error);

    struct gw_route_series *route = of_route(counters, series, x);

    gw_metric_add(counters->metrics, requests_of(counters, route, x, status), counters->writer, 1);
    gw_metric_observe_us(counters->metrics, route->duration, counters->writer,
                         x->times.end - x->times.start);
}

static gw_metric grpc_of(const struct gw_counters *counters, struct gw_route_series *route,
                         const struct gw_exchange *x, int grpc_status)
{
    char text[12];

    if (!route->grpc)
        route->grpc = gw_alloc_zero(GW_COUNTED_GRPC * sizeof(gw_metric));
    if (route->grpc[grpc_status] == GW_METRIC_NONE) {
        int len = snprintf(text, sizeof(text), "%d", grpc_status);
        struct gw_slice labels[] = { service_name(x), route_name(x), gw_slice(text, (size_t)len) };

        route->grpc[grpc_status] = gw_metric_series(counters->grpc, labels);
    }
    return route->grpc[grpc_status];
}

void gw_count_grpc(const struct gw_counters *counters, struct gw_series *series,
                   const struct gw_exchange *x, int grpc_status)
{
    GW_ASSERT(grpc_status >= 0 && grpc_status < GW_COUNTED_GRPC);
    if (counters->metrics)
        gw_metric_add(counters->metrics,
                      grpc_of(counters, of_route(counters, series, x), x, grpc_status),
                      counters->writer, 1);
}

/* ── calls, by service ─────────────────────────────────────────────────────── */

static void fill_service(const struct gw_counters *counters, struct gw_service_series *series,
                         struct gw_slice name)
{
    series->connect = gw_metric_series(counters->upstream_connect, &name);
    series->active = gw_metric_series(counters->upstream_active, &name);
}

static struct gw_service_series *of_service(const struct gw_counters *counters,
                                            struct gw_series *series, const struct gw_exchange *x)
{
    const struct gw_service *service = service_of(x);
    struct gw_service_series **place =
        &series->services[service ? service->index : series->service_count];

    if (*place)
        return *place;
    *place = gw_alloc_zero(sizeof(**place));
    fill_service(counters, *place, service_name(x));
    return *place;
}

static gw_metric outcome_of(const struct gw_counters *counters, struct gw_service_series *service,
                            struct gw_slice name, enum gw_error error)
{
    gw_metric *place = &service->outcomes[error];
    struct gw_slice labels[] = { name, gw_slice_from(gw_error_info(error)->reason) };

    if (*place == GW_METRIC_NONE)
        *place = gw_metric_series(counters->upstream_requests, labels);
    return *place;
}

void gw_count_call_begun(const struct gw_counters *counters, struct gw_series *series,
                         const struct gw_exchange *x)
{
    if (counters->metrics)
        gw_metric_add(counters->metrics, of_service(counters, series, x)->active, counters->writer,
                      1);
}

static void count_one(const struct gw_counters *counters, struct gw_metric_family *family,
                      struct gw_slice name, const char *label)
{
    struct gw_slice labels[] = { name, label ? gw_slice_from(label) : GW_SLICE_EMPTY };

    gw_metric_add(counters->metrics, gw_metric_series(family, labels), counters->writer, 1);
}

/* Rare enough to look the series up each time. */
static void count_retries(const struct gw_counters *counters, struct gw_slice name,
                          const struct gw_call_info *call, enum gw_error error)
{
    for (const struct gw_try *one = call->failed; one; one = one->before)
        count_one(counters, counters->upstream_retries, name,
                  one->status ? "status" : gw_error_info(one->error)->reason);
    if (call->failed)
        count_one(counters, counters->upstream_retried, name,
                  error || call->gave_up ? "failed" : "ok");
    if (call->hedged)
        count_one(counters, counters->upstream_hedged, name, call->hedge_won ? "won" : "lost");
    if (call->over_budget)
        count_one(counters, counters->upstream_over_budget, name, NULL);
}

static void count_end(const struct gw_counters *counters, struct gw_service_series *service,
                      struct gw_slice name, const struct gw_call_info *call, enum gw_error error)
{
    struct gw_metrics *metrics = counters->metrics;
    unsigned writer = counters->writer;

    gw_metric_add(metrics, service->active, writer, -1);
    gw_metric_add(metrics, outcome_of(counters, service, name, error), writer, 1);
    if (call->failed || call->over_budget || call->hedged)
        count_retries(counters, name, call, error);
    if (call->tries && !call->reused && call->connect_us)
        gw_metric_observe_us(metrics, service->connect, writer, call->connect_us);
}

void gw_count_call_ended(const struct gw_counters *counters, struct gw_series *series,
                         const struct gw_exchange *x, const struct gw_call_info *call,
                         enum gw_error error)
{
    if (counters->metrics)
        count_end(counters, of_service(counters, series, x), service_name(x), call, error);
}

/* ── calls of scripts: rare enough to look their series up each time ──────────── */

static void on_call_begun(struct gw_call_watch *watch, struct gw_slice service)
{
    const struct gw_counters *counters = container_of(watch, struct gw_counters, watch);

    if (counters->metrics)
        gw_metric_add(counters->metrics, gw_metric_series(counters->upstream_active, &service),
                      counters->writer, 1);
}

static void on_call_ended(struct gw_call_watch *watch, struct gw_slice service,
                          const struct gw_call_info *call, enum gw_error error)
{
    const struct gw_counters *counters = container_of(watch, struct gw_counters, watch);
    struct gw_service_series series = { 0 };

    if (!counters->metrics)
        return;
    fill_service(counters, &series, service);
    count_end(counters, &series, service, call, error);
}
