#pragma once
/* The metrics of the request's way. Series are looked up at their first use and remembered with the
 * epoch, by the index of route and service: counting a request hashes nothing. */
#include "base/error.h"
#include "net/tls.h"
#include "net/tls_facts.h"
#include "script/script.h"
#include "telemetry/metrics.h"

struct gw_exchange;
struct gw_call_info;
struct gw_config;

enum {
    GW_COUNTED_HTTP = 4, /* 1.0, 1.1, 2, and what was none */
    GW_COUNTED_TLS = 3,  /* none, 1.2, 1.3 */
};

/* The families, of one proxy. */
struct gw_counters {
    struct gw_metrics *metrics; /* NULL: nothing is counted */
    unsigned writer;
    struct gw_call_watch
        watch; /* for scripts: their calls are counted like those to the services */
    struct gw_metric_family *requests, *duration, *grpc;
    struct gw_metric_family *upstream_requests, *upstream_retries, *upstream_retried,
        *upstream_over_budget, *upstream_hedged, *upstream_connect, *upstream_active;
    struct gw_metric_family *rejections; /* by limit */
    struct gw_metric_family *mirrors;
    struct gw_metric_family *handshakes; /* of TLS, by how they ended and by version */
    struct gw_metric_family *protocols;  /* requests by version of HTTP and of TLS */
    gw_metric by_protocol[GW_COUNTED_HTTP][GW_COUNTED_TLS]; /* NONE: not looked up yet */
};

#define GW_COUNTED_CODES 12
#define GW_COUNTED_GRPC 17 /* OK to UNAUTHENTICATED */

/* The `code` label of a status: itself when it is registered (or our 499), else the first digit of
 * its class, which stands for "2xx" … "5xx"; 0 for anything else. A service that invents statuses
 * makes no series of its own. */
int gw_counted_code(int status);

struct gw_route_series {
    gw_metric duration;
    unsigned codes; /* how many are remembered; a route with more of them looks the rest up */
    struct {
        int status;
        gw_metric requests;
    } by_code[GW_COUNTED_CODES];
    gw_metric *grpc; /* one a status; NULL: it had no calls */
};

struct gw_service_series {
    gw_metric connect, active;
    gw_metric outcomes[GW_E_COUNT];
};

/* What an epoch remembers. */
struct gw_series {
    struct gw_route_series *
        *routes; /* one a route, and one for what found none; NULL: not used yet */
    struct gw_service_series **services; /* the same */
    unsigned route_count, service_count;
};

void gw_counters_init(struct gw_counters *counters, struct gw_metrics *metrics, unsigned writer);

void gw_series_init(struct gw_series *series, const struct gw_config *config);
void gw_series_deinit(struct gw_series *series);

/* A copy of a request for that service came to its end, or was not made. */
void gw_count_mirror(const struct gw_counters *counters, struct gw_slice service,
                     struct gw_slice outcome);

/* counters_ways.c: how requests come. */
void gw_counters_init_ways(struct gw_counters *counters);

/* The request of an exchange that ended. */
void gw_count_way(struct gw_counters *counters, const struct gw_exchange *x);

/* A client's TLS handshake ended. `facts`: of one that was made, else NULL. */
void gw_count_handshake(const struct gw_counters *counters, enum gw_tls_failure failure,
                        const struct gw_tls_facts *facts);

/* A request ended with that status. */
void gw_count_request(struct gw_counters *counters, struct gw_series *series,
                      const struct gw_exchange *x, int status);

/* It was a call of gRPC that ended so. */
void gw_count_grpc(const struct gw_counters *counters, struct gw_series *series,
                   const struct gw_exchange *x, int grpc_status);

/* A call began, and ended; `error` is why it failed. */
void gw_count_call_begun(const struct gw_counters *counters, struct gw_series *series,
                         const struct gw_exchange *x);
void gw_count_call_ended(const struct gw_counters *counters, struct gw_series *series,
                         const struct gw_exchange *x, const struct gw_call_info *call,
                         enum gw_error error);
