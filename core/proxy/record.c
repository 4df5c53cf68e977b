/* What is known of a request when it is over: one access log line, one count. */
#include "proxy/flight.h"
#include "telemetry/access_log.h"

static int64_t duration(uint64_t from, uint64_t to)
{
    return from && to >= from ? (int64_t)(to - from) : -1;
}

/* What the client got, or would have got. */
static int status_of(const struct gw_exchange *x)
{
    if (x->response_started)
        return x->response.status;
    return gw_error_info(x->error)->status;
}

/* The client's own bytes, but never its query: keys and tokens stand there. */
static struct gw_slice path_of(const struct gw_exchange *x)
{
    struct gw_slice target = x->request.raw_target;
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;

    return mark ? gw_slice(target.ptr, (size_t)(mark - target.ptr)) : target;
}

static void fill_phases(const struct gw_exchange *x, const struct gw_call_info *call,
                        struct gw_access_record *record)
{
    record->rewrite_us = duration(x->times.start, x->times.rewrite_end);
    record->access_us = duration(x->times.access_start, x->times.access_end);
    record->connect_us = call && call->head_us ? (int64_t)call->connect_us : -1;
    record->head_us = x->times.head ? duration(x->times.call_start, x->times.head) : -1;
    record->response_us = duration(x->times.head, x->times.respond);
    record->body_us = duration(x->times.respond, x->times.end);
}

static void fill_tls(const struct gw_tls_facts *tls, struct gw_access_record *record)
{
    record->tls_version = gw_slice_from(tls->version);
    record->tls_cipher = gw_slice_from(tls->cipher);
    record->sni = tls->name;
    record->tls_resumed = tls->resumed;
}

static void log_access(const struct gw_proxy *proxy, const struct gw_exchange *x,
                       const struct gw_call_info *call, int grpc_status)
{
    const struct gw_slice *agent = gw_fields_get(&x->request.fields, GW_SLICE("user-agent"));
    struct gw_access_record record = {
        .correlation_id = x->correlation_id,
        .wall_us = x->times.wall_us,
        .method = x->request.method_name,
        .path = path_of(x),
        .status = status_of(x),
        .grpc_status = grpc_status,
        .duration_us = (int64_t)(x->times.end - x->times.start),
        .route = x->route ? x->route->name : GW_SLICE_EMPTY,
        .service = x->route && x->route->service ? x->route->service->name : GW_SLICE_EMPTY,
        .consumer = x->consumer ? x->consumer->username : GW_SLICE_EMPTY,
        .upstream = x->upstream_address,
        .upstream_status = x->upstream_status,
        .tries = x->counts.tries,
        .bytes_in = x->counts.bytes_in,
        .bytes_out = x->counts.bytes_out,
        .client_ip = x->client_ip,
        .host = x->request.authority,
        .version = x->request.version,
        .error = x->error ? gw_slice_from(gw_error_info(x->error)->reason) : GW_SLICE_EMPTY,
    };

    if (agent)
        record.user_agent = *agent;
    if (x->tls)
        fill_tls(x->tls, &record);
    fill_phases(x, call, &record);
    proxy->options.on_log(proxy->options.ctx, &record);
}

static void record(struct gw_proxy *proxy, struct gw_series *series, const struct gw_exchange *x,
                   const struct gw_call_info *call)
{
    int grpc_status = gw_flight_grpc_status(container_of(x, struct gw_flight, x));

    gw_count_request(&proxy->counters, series, x, status_of(x));
    if (grpc_status >= 0)
        gw_count_grpc(&proxy->counters, series, x, grpc_status);
    if (proxy->options.on_log)
        log_access(proxy, x, call, grpc_status);
}

void gw_flight_record(struct gw_flight *flight)
{
    record(flight->x.proxy, &flight->epoch->series, &flight->x, flight->call);
}

void gw_refusal_record(struct gw_proxy *proxy, struct gw_exchange *x)
{
    x->response_started = x->response.status != 0;
    record(proxy, &proxy->epoch->series, x, NULL);
}
