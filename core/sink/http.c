/* Batches as requests to an HTTP endpoint: one line as it is, or where batches may hold several, a
 * JSON array of them. The receiver has them when it answers 2xx; whatever else it answers is tried
 * again like a failure. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/check.h"
#include "config/config.h"
#include "net/tls_client.h"
#include "sink/sink_private.h"
#include "upstream/call.h"

#include <stdio.h>

#define ANSWER_MAX (64 * 1024) /* of its body, which nobody reads; then the connection is closed */
#define TLS_DEPTH 16      /* certificates that may stand between the endpoint's and a trusted one */
#define ADDRESSES_TRIED 3 /* of a name, in one delivery */

struct gw_sink_http {
    struct gw_sink *sink;
    struct gw_service service; /* timeouts and keepalive, as calls want to be told */
    struct gw_service_tls_config tls;
    struct gw_arena *arena; /* of the delivery under way */
    struct gw_stream *call; /* NULL: none is */
    struct gw_timer timer;  /* for the rest of the answer */
    int status;
    size_t discarded;
    char problem[32];
};

struct gw_tls_client *gw_sink_http_client(const struct gw_sink_options *options, char *why,
                                          size_t why_size)
{
    const struct gw_tls_client_options how = {
        .label = options->authority,
        .verify = true,
        .depth = TLS_DEPTH,
    };
    struct gw_tls_client_set *set = gw_tls_client_set_new();
    struct gw_tls_client *client = gw_tls_client_set_get(set, &how, why, why_size);

    gw_tls_client_set_free(set);
    return client;
}

static void open_http(struct gw_sink *sink)
{
    struct gw_sink_http *http = gw_alloc_zero(sizeof(*http));
    const struct gw_sink_options *options = &sink->options;

    http->sink = sink;
    http->service = (struct gw_service){
        .connect_timeout_us = options->timeout_us,
        .write_timeout_us = options->timeout_us,
        .read_timeout_us = options->timeout_us,
        .response_timeout_us = options->timeout_us,
        .retries = ADDRESSES_TRIED - 1,
        .keepalive_connections = options->keepalive_us ? 1 : 0,
        .keepalive_idle_us = options->keepalive_us,
    };
    if (sink->tls) { /* for the host that it is called by */
        http->tls = (struct gw_service_tls_config){ .verify = true, .name = options->host };
        http->service.tls_config = &http->tls;
        http->service.tls = sink->tls;
    }
    sink->way.http = http;
}

static void end_call(struct gw_sink_http *http, enum gw_error why)
{
    gw_timer_stop(&http->timer);
    if (http->call)
        gw_stream_close(http->call, why);
    http->call = NULL;
    gw_arena_free(http->arena);
    http->arena = NULL;
}

/* ── the answer ───────────────────────────────────────────────────────────── */

/* The status says all; `why`: whether the connection can be kept. */
static void finish(struct gw_sink_http *http, enum gw_error why)
{
    end_call(http, why);
    if (http->status >= 200 && http->status < 300) {
        gw_sink_delivered(http->sink, NULL);
        return;
    }
    snprintf(http->problem, sizeof(http->problem), "it answers %d", http->status);
    gw_sink_delivered(http->sink, http->problem);
}

static void on_slow_answer(struct gw_timer *timer)
{
    finish(container_of(timer, struct gw_sink_http, timer), GW_E_READ_TIMEOUT);
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_sink_http *http = owner;

    if (head->status < 200 && head->status != 101)
        return;
    http->status = head->status;
    http->discarded = 0;
    if (end || head->status == 101)
        finish(http, end ? GW_OK : GW_E_UPSTREAM_PROTOCOL);
    else
        gw_timer_start(http->sink->sinks->loop, &http->timer, http->sink->options.timeout_us,
                       on_slow_answer);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_sink_http *http = owner;

    http->discarded += bytes.len;
    if (end)
        finish(http, GW_OK);
    else if (http->discarded > ANSWER_MAX)
        finish(http, GW_E_UPSTREAM_BODY_TOO_LARGE);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    finish(owner, GW_OK);
}

static void on_room(void *owner)
{
    (void)owner; /* the whole body was given at once */
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_sink_http *http = owner;
    const char *problem = gw_error_info(why ? why : GW_E_RESET)->text;

    if (http->status) { /* it answered; that the rest is cut does not matter */
        finish(http, why ? why : GW_E_RESET);
        return;
    }
    end_call(http, why ? why : GW_E_RESET);
    gw_sink_delivered(http->sink, problem);
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

/* ── the request ──────────────────────────────────────────────────────────── */

static char *put(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static struct gw_slice write_body(const struct gw_sink *sink, struct gw_arena *arena)
{
    const struct gw_sink_entry *entry = sink->oldest;
    bool is_array = sink->options.limits.max_batch_size > 1;
    char *body = gw_arena_alloc(arena, sink->batch.bytes + sink->batch.count + 2);
    char *at = body;

    for (unsigned i = 0; i < sink->batch.count; i++, entry = entry->next) {
        if (is_array)
            *at++ = i == 0 ? '[' : ',';
        at = put(at, entry->text, entry->len);
    }
    if (is_array)
        *at++ = ']';
    return gw_slice(body, (size_t)(at - body));
}

static void write_head(const struct gw_sink *sink, struct gw_arena *arena, struct gw_head *head,
                       size_t body_len)
{
    const struct gw_sink_options *options = &sink->options;
    const char *mark = memchr(options->target.ptr, '?', options->target.len);
    size_t path_len = mark ? (size_t)(mark - options->target.ptr) : options->target.len;

    *head = (struct gw_head){
        .method = gw_method_parse(options->method),
        .method_name = options->method,
        .scheme = sink->tls ? GW_SLICE("https") : GW_SLICE("http"),
        .authority = options->authority,
        .path = gw_slice(options->target.ptr, path_len),
        .query = gw_slice_skip(options->target, path_len + 1),
        .has_query = mark != NULL,
        .version = 11,
        .body_length = (int64_t)body_len,
    };
    gw_fields_copy(&head->fields, arena, &options->headers);
}

static void deliver(struct gw_sink *sink)
{
    struct gw_sink_http *http = sink->way.http;
    struct gw_sinks *sinks = sink->sinks;
    struct gw_head head;

    if (!sinks->pool)
        sinks->pool = gw_pool_new(sinks->loop);
    http->arena = gw_arena_new();
    http->status = 0;

    struct gw_call_options options = {
        .loop = sinks->loop,
        .pool = sinks->pool,
        .arena = http->arena,
        .service = &http->service,
        .target_host = sink->options.host,
        .target_port = sink->options.port,
        .retries = -1,
        .body = write_body(sink, http->arena),
        .has_body = true,
        .correlation_id = gw_slice_from(sink->name),
    };

    write_head(sink, http->arena, &head, options.body.len);
    http->call = gw_call_open(&options);
    gw_stream_bind(http->call, &events, http);
    gw_stream_send_head(http->call, &head, true);
}

static void close_http(struct gw_sink *sink)
{
    end_call(sink->way.http, GW_E_CANCELLED);
    gw_free(sink->way.http);
    sink->way.http = NULL;
}

const struct gw_sink_carrier gw_sink_http_carrier = {
    .open = open_http,
    .deliver = deliver,
    .close = close_http,
};
