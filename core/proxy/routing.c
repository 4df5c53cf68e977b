/* Which route a request takes, and what it says to the service before plugins change it. */
#include "config/cidr.h"
#include "config/router.h"
#include "http/problem.h"
#include "http/uri.h"
#include "http/websocket_key.h"
#include "proxy/flight.h"

#define METHODS_MAX 256

static const struct gw_route_pair *header_pairs(const struct gw_flight *flight, unsigned *count)
{
    const struct gw_fields *fields = &flight->x.request.fields;
    struct gw_route_pair *pairs;

    *count = 0;
    if (!gw_router_needs_headers(flight->x.config->router) || fields->count == 0)
        return NULL;
    pairs = gw_arena_alloc(flight->x.arena, fields->count * sizeof(*pairs));
    for (unsigned i = 0; i < fields->count; i++)
        pairs[(*count)++] = (struct gw_route_pair){ fields->items[i].name, fields->items[i].value };
    return pairs;
}

static struct gw_addr_bytes client_bytes(const struct gw_exchange *x)
{
    struct gw_addr_bytes bytes = { .len = 0 };

    if (gw_slice_equal(x->client_ip, GW_SLICE("unix:")))
        bytes.len = GW_ADDR_BYTES_UNIX;
    else if (gw_addr_bytes_parse(&bytes, x->client_ip.ptr, x->client_ip.len))
        bytes.len = 0;
    return bytes;
}

static void keep_captures(struct gw_exchange *x, const struct gw_route_match *match)
{
    if (match->capture_count == 0)
        return;
    x->captures = gw_arena_alloc(x->arena, match->capture_count * sizeof(*x->captures));
    for (unsigned i = 0; i < match->capture_count; i++)
        x->captures[i] = (struct gw_capture){
            .name = match->captures[i].name,
            .value = gw_uri_decode(match->captures[i].value, false, x->arena),
        };
    x->capture_count = match->capture_count;
}

static void add_reply_field(struct gw_exchange *x, struct gw_slice name, struct gw_slice value)
{
    gw_fields_add(&x->reply->fields, x->arena, name, value);
}

static void refuse_method(struct gw_flight *flight, const struct gw_route_query *query)
{
    struct gw_exchange *x = &flight->x;
    char *methods = gw_arena_alloc(x->arena, METHODS_MAX);
    size_t len = gw_router_allowed_methods(x->config->router, query, methods, METHODS_MAX);

    gw_flight_refuse(flight, GW_E_NO_METHOD);
    add_reply_field(x, GW_SLICE("allow"), gw_slice(methods, len));
}

/* "OPTIONS *" asks about the gateway itself (RFC 9110 9.3.7). */
static void answer_for_server(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_reply *reply = gw_arena_alloc_zero(x->arena, sizeof(*reply));

    reply->status = 204;
    x->reply = reply;
    add_reply_field(x, GW_SLICE("allow"), GW_SLICE("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH"));
}

/* What no route can change: true when it was answered. */
static bool is_not_for_routes(struct gw_flight *flight)
{
    const struct gw_head *request = &flight->x.request;

    if (flight->grpc_error) {
        gw_flight_refuse(flight, flight->grpc_error);
        return true;
    }
    if (request->version == 20 && request->protocol.len &&
        !gw_slice_equal(request->protocol, GW_WEBSOCKET)) {
        gw_flight_refuse(flight, GW_E_NOT_IMPLEMENTED); /* RFC 8441 5; CONNECT-UDP and such */
        return true;
    }
    if (request->method == GW_METHOD_CONNECT || request->method == GW_METHOD_TRACE) {
        gw_flight_refuse(flight, GW_E_NOT_IMPLEMENTED);
        return true;
    }
    if (request->method == GW_METHOD_OPTIONS && gw_slice_equal(request->path, GW_SLICE("*"))) {
        answer_for_server(flight);
        return true;
    }
    return false;
}

static void fill_outgoing(struct gw_exchange *x, size_t matched)
{
    const struct gw_route *route = x->route;

    x->outgoing.method = x->request.method;
    x->outgoing.method_name = x->request.method_name;
    x->outgoing.query = x->request.query;
    x->outgoing.has_query = x->request.has_query;
    x->outgoing.path =
        gw_outgoing_path(x->arena, route->service ? route->service->path : GW_SLICE_EMPTY,
                         x->request.path, matched, route->strip_path);
    if (route->preserve_host)
        x->outgoing.authority = x->request.authority;
}

static void on_total_timeout(struct gw_timer *timer)
{
    gw_flight_fail(container_of(timer, struct gw_flight, total), GW_E_TOTAL_TIMEOUT);
}

static void on_deadline(struct gw_timer *timer)
{
    gw_flight_fail(container_of(timer, struct gw_flight, total), GW_E_DEADLINE);
}

void gw_flight_start_total_timeout(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    uint64_t total = x->limits->total_timeout_us, own = flight->deadline_us;
    uint64_t timeout = own && (!total || own <= total) ? own : total;
    uint64_t spent = x->loop->clock.now_us - x->times.start;

    if (timeout)
        gw_timer_start(x->loop, &flight->total, timeout > spent ? timeout - spent : 0,
                       timeout == own ? on_deadline : on_total_timeout);
    else
        gw_timer_stop(&flight->total);
}

static const struct gw_limits *limits_of(const struct gw_flight *flight,
                                         const struct gw_route *route)
{
    const struct gw_listener_config *listener = flight->listener;

    return listener && listener->route_limits ? &listener->route_limits[route->index]
                                              : &route->limits;
}

void gw_flight_route(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_route_query query = {
        .method = x->request.method_name,
        .host = gw_uri_host(x->request.authority, NULL),
        .path = x->request.path,
        .query = x->request.query,
        .sni = x->tls ? x->tls->name : GW_SLICE_EMPTY,
        .tls = x->tls != NULL,
        .https = gw_slice_equal(x->forwarded_proto, GW_SLICE("https")),
    };
    struct gw_route_match match;

    if (is_not_for_routes(flight) || !gw_flight_check_way(flight))
        return;
    query.headers = header_pairs(flight, &query.header_count);
    if (gw_router_needs_client(x->config->router))
        query.client = client_bytes(x);
    gw_router_match(x->config->router, &query, &match);
    if (match.regex_errors) {
        /* Nobody knows whether a stricter route was meant: a weaker one must not take it. */
        gw_flight_refuse(flight, GW_E_PATTERN_LIMIT);
        return;
    }
    if (!match.route) {
        if (match.method_mismatch)
            refuse_method(flight, &query);
        else
            gw_flight_refuse(flight, GW_E_NO_ROUTE);
        return;
    }
    x->route = match.route;
    x->limits = limits_of(flight, match.route);
    if (match.route->grpc && !x->grpc) {
        gw_flight_refuse(flight, GW_E_NOT_GRPC);
        return;
    }
    if (gw_slice_equal(x->request.protocol, GW_WEBSOCKET) && x->request.version < 20 &&
        !gw_flight_has_websocket_key(x)) {
        gw_flight_refuse(flight, GW_E_WEBSOCKET_KEY);
        return;
    }
    keep_captures(x, &match);
    fill_outgoing(x, match.matched);
    gw_flight_start_total_timeout(flight);

    int64_t limit = flight->x.limits->body;

    if (!gw_flight_check_route(flight))
        return;
    if (limit >= 0 && x->request.body_length > limit)
        gw_flight_refuse(flight, GW_E_BODY_TOO_LARGE);
}
