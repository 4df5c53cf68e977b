/* What goes to the service: the request as hooks left it, without what belongs to one hop, with
 * what says who really asks. */
#include "http/grpc.h"
#include "http/h1.h"
#include "http/hop.h"
#include "net/loop.h"
#include "proxy/flight.h"
#include "proxy/hash_key.h"
#include "proxy/mirror.h"
#include "script/pipe.h"

/* ── the path ──────────────────────────────────────────────────────────────── */

static struct gw_slice join(struct gw_arena *arena, struct gw_slice a, struct gw_slice b)
{
    char *text = gw_arena_alloc(arena, a.len + b.len + 1);

    if (a.len)
        memcpy(text, a.ptr, a.len);
    if (b.len)
        memcpy(text + a.len, b.ptr, b.len);
    text[a.len + b.len] = '\0';
    return gw_slice(text, a.len + b.len);
}

static bool ends_with_slash(struct gw_slice path)
{
    return path.len && path.ptr[path.len - 1] == '/';
}

static struct gw_slice without_last(struct gw_slice path)
{
    return gw_slice(path.ptr, path.len - 1);
}

/* The route's whole path was taken away: the service's own remains, and a last slash follows the
 * request's. */
static struct gw_slice bare_base(struct gw_arena *arena, struct gw_slice base,
                                 struct gw_slice request)
{
    if (base.len == 1 || ends_with_slash(base) == ends_with_slash(request))
        return base;
    if (ends_with_slash(base))
        return without_last(base);
    return request.len > 1 ? join(arena, base, GW_SLICE("/")) : base;
}

struct gw_slice gw_outgoing_path(struct gw_arena *arena, struct gw_slice base,
                                 struct gw_slice request, size_t matched, bool strip)
{
    struct gw_slice rest = strip ? gw_slice_skip(request, matched) : request;

    if (base.len == 0)
        base = GW_SLICE("/");
    if (rest.len == 0)
        return bare_base(arena, base, request);
    if (!strip && rest.len == 1) /* "/" adds nothing to a path of the service's own */
        return base;
    if (base.len == 1)
        return rest.ptr[0] == '/' ? rest : join(arena, base, rest);
    if (ends_with_slash(base) && rest.ptr[0] == '/')
        rest = gw_slice_skip(rest, 1);
    else if (!ends_with_slash(base) && rest.ptr[0] != '/')
        base = join(arena, base, GW_SLICE("/"));
    return join(arena, base, rest);
}

/* ── the head ──────────────────────────────────────────────────────────────── */

static struct gw_slice peer_ip(const struct gw_exchange *x)
{
    char text[GW_ADDR_TEXT_MAX];

    if (!x->peer_trusted) /* then the client is the peer */
        return x->client_ip;
    return gw_arena_copy(x->arena, gw_slice(text, gw_addr_format_ip(&x->peer, text)));
}

static void fill_fields(struct gw_exchange *x, struct gw_fields *fields)
{
    const struct gw_service *service = x->route ? x->route->service : NULL;
    struct gw_forwarded forwarded = {
        .client_ip = peer_ip(x),
        .scheme = x->request.scheme,
        .authority = x->request.authority,
        .port = x->local_port,
        .peer_trusted = x->peer_trusted,
        .rfc7239 = service && service->forwarded_header,
    };

    gw_fields_copy(fields, x->arena, &x->request.fields);
    if (gw_flight_has_hooks(gw_flight_of(x), GW_PHASE_BODY))
        gw_hop_ask_for_whole(fields);
    if (gw_flight_has_hooks(gw_flight_of(x), GW_PHASE_REQUEST_BODY))
        gw_hop_forget_digests(fields);
    if (x->request.protocol.len && x->route && x->route->websocket.validate_utf8)
        gw_fields_remove(fields,
                         GW_SLICE("sec-websocket-extensions")); /* compressed, it is no text */
    if (x->grpc)
        gw_flight_pass_deadline(gw_flight_of(x), fields);
    gw_hop_set_forwarded(fields, x->arena, &forwarded);
    if (service)
        gw_flight_tell_certificate(x, service->certificate_header, fields);
    gw_hop_set_via(fields, x->arena, x->request.version);
}

/* ── the body ──────────────────────────────────────────────────────────────── */

/* The body in memory, if all of it is there. */
static bool whole_body(const struct gw_flight *flight, struct gw_slice *body)
{
    const struct gw_exchange *x = &flight->x;

    *body = x->outgoing.has_body ? x->outgoing.body : gw_buf_slice(&x->request_body);
    if (flight->piped_request)
        *body = gw_blob_slice(flight->piped_request);
    return x->outgoing.has_body || (x->request_body_whole && !flight->request_trailers) ||
           (flight->request_ended && x->request.body_length == 0);
}

/* A request that has none gets none from hooks. */
static bool has_body(const struct gw_exchange *x)
{
    return x->request.body_length != GW_BODY_NONE || (x->outgoing.has_body && x->outgoing.body.len);
}

void gw_flight_take_request(struct gw_flight *flight, bool failed, struct gw_slice out)
{
    if (failed)
        gw_flight_refuse(flight, GW_E_PLUGIN);
    else
        flight->piped_request = gw_blob_new(out);
}

bool gw_flight_pipe_request(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_slice body, out;

    if (!gw_flight_has_hooks(flight, GW_PHASE_REQUEST_BODY) || !has_body(x))
        return false;
    gw_relay_hook(&flight->to_service, x, GW_PHASE_REQUEST_BODY);
    if (!whole_body(flight, &body))
        return false;

    enum gw_pipe_result result = gw_pipe_run(x, GW_PHASE_REQUEST_BODY, body, true, &out);

    if (result == GW_PIPE_WAITS)
        return true;
    gw_flight_take_request(flight, result == GW_PIPE_FAILED, out);
    return false;
}

static bool may_upgrade(const struct gw_exchange *x)
{
    return x->request.protocol.len && !gw_slice_equal(x->request.protocol, GW_SLICE("h2c"));
}

/* Plugins make calls of what is none. */
static bool is_call(const struct gw_exchange *x, const struct gw_fields *fields)
{
    const struct gw_service *service = x->route ? x->route->service : NULL;
    const struct gw_slice *type;

    if (x->grpc || !service || !service->http2 || x->outgoing.method != GW_METHOD_POST)
        return x->grpc;
    type = gw_fields_get(fields, GW_SLICE("content-type"));
    return type && gw_grpc_is_type(*type);
}

static void fill_head(struct gw_flight *flight, struct gw_head *head)
{
    struct gw_exchange *x = &flight->x;
    const struct gw_service *service = x->route ? x->route->service : NULL;

    *head = (struct gw_head){
        .method = x->outgoing.method,
        .method_name = x->outgoing.method_name,
        .scheme = service ? service->scheme : GW_SLICE("http"),
        .authority = x->outgoing.authority,
        .path = x->outgoing.path,
        .query = x->outgoing.query,
        .has_query = x->outgoing.has_query,
        .protocol = may_upgrade(x) ? x->request.protocol : GW_SLICE_EMPTY,
        .version = x->request.version,
        .body_length = x->request.body_length,
    };
    if (head->authority.len == 0 && x->outgoing.target_host.len && !service)
        head->authority =
            gw_arena_printf(x->arena, "%.*s:%u", GW_SLICE_ARG(x->outgoing.target_host),
                            (unsigned)x->outgoing.target_port);
    else if (head->authority.len == 0 && service)
        head->authority = service->authority;
    fill_fields(x, &head->fields);
    head->wants_trailers = flight->speaks_grpc = is_call(x, &head->fields);
}

/* Who asks, for a PROXY header: with its port where it is the peer itself, without one where
 * X-Forwarded-For says it. */
static const struct gw_addr *client_addr(const struct gw_exchange *x)
{
    struct gw_addr *client = gw_arena_alloc(x->arena, sizeof(*client));
    char peer[GW_ADDR_TEXT_MAX];
    size_t len = gw_addr_format_ip(&x->peer, peer);

    if (gw_slice_equal(gw_slice(peer, len), x->client_ip) ||
        !gw_addr_parse_ip(client, x->client_ip, 0))
        *client = x->peer;
    return client;
}

static const struct gw_addr *local_addr(const struct gw_exchange *x)
{
    struct gw_addr *local = gw_arena_alloc_zero(x->arena, sizeof(*local));
    struct gw_conn *conn = gw_stream_conn(x->down);

    if (conn)
        *local = *gw_conn_local(conn);
    return local;
}

static struct gw_call_options call_options(struct gw_exchange *x)
{
    return (struct gw_call_options){
        .loop = x->loop,
        .pool = x->proxy->options.pool,
        .arena = x->arena,
        .service = x->route ? x->route->service : NULL,
        .retry = x->route ? x->route->retry : NULL,
        .breaker = x->route ? x->route->breaker : NULL,
        .limits = x->limits,
        .upstream = x->outgoing.upstream,
        .target_host = x->outgoing.target_host,
        .target_port = x->outgoing.target_port,
        .connect_timeout_us = x->outgoing.connect_timeout_us,
        .write_timeout_us = x->outgoing.write_timeout_us,
        .read_timeout_us = x->outgoing.read_timeout_us,
        .deadline_us =
            x->limits->total_timeout_us ? x->times.start + x->limits->total_timeout_us : 0,
        .retries = x->outgoing.retries,
        .authority_of_target = x->outgoing.authority.len == 0,
        /* A client knows the race on connections it kept itself, and only there tries again. */
        .fresh_unless_repeatable = gw_stream_number(x->down) == 1,
        .correlation_id = x->correlation_id,
        .hash = gw_exchange_hash,
        .hash_ctx = x,
        .cookie = gw_exchange_cookie,
    };
}

enum gw_error gw_flight_call(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_call_options options = call_options(x);
    struct gw_head *head = gw_arena_alloc(x->arena, sizeof(*head));

    if (!options.service && !options.upstream && !options.target_host.len)
        return GW_E_NO_TARGET;
    if (options.service && options.service->proxy_protocol) {
        options.client = client_addr(x);
        options.local = local_addr(x);
    }
    fill_head(flight, head);
    if (flight->speaks_grpc && !x->grpc && gw_flight_adopt_call(flight, &head->fields))
        return GW_E_BAD_DEADLINE;
    options.has_body = whole_body(flight, &options.body);
    if (options.has_body)
        head->body_length = options.body.len || head->body_length != GW_BODY_NONE
                                ? (int64_t)options.body.len
                                : GW_BODY_NONE;
    else
        head->expect_continue = x->request.expect_continue && !flight->asked_for_body;
    if (!options.has_body && flight->to_service.x) /* hooks are between: who knows how long */
        head->body_length = GW_BODY_UNKNOWN;

    bool end = options.has_body ||
               (flight->request_ended && x->request_body.len == 0 && !flight->request_trailers);

    x->up = gw_call_open(&options);
    flight->call = gw_call_info(x->up);
    flight->calling = true;
    gw_count_call_begun(&x->proxy->counters, &flight->epoch->series, x);
    gw_stream_bind(x->up, &gw_up_events, flight);
    gw_stream_send_head(x->up, head, end);
    if (x->route && x->route->mirror)
        gw_mirror_begin(flight, head, end, options.body);
    gw_flight_throttle(flight);
    if (end)
        flight->to_service.ended = true;
    else /* what a hook has read already goes first */
        gw_relay_start(&flight->to_service, x->up, gw_buf_slice(&x->request_body), NULL,
                       x->request_body_whole, flight->request_trailers);
    return flight->to_service.failed ? GW_E_PLUGIN : GW_OK;
}
