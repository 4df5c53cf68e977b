/* ctx.request and ctx.service.request: reading and changing what the service gets. */
#include "config/cidr.h"
#include "config/config.h"
#include "http/uri.h"
#include "script/pdk_common.h"

#include <string.h>

/* --- texts and numbers --- */

static struct gw_slice host_of(struct gw_slice authority)
{
    uint16_t port;

    return gw_uri_host(authority, &port);
}

static struct gw_slice text_of(const struct gw_exchange *x, enum gw_pdk_text what)
{
    switch (what) {
    case GW_PDK_METHOD:
        return x->request.method_name;
    case GW_PDK_SCHEME:
        return x->request.scheme;
    case GW_PDK_HOST:
        return host_of(x->request.authority);
    case GW_PDK_PATH:
        return x->request.path;
    case GW_PDK_RAW_TARGET:
        return x->request.raw_target;
    case GW_PDK_QUERY:
        return x->request.has_query ? x->request.query : GW_SLICE_EMPTY;
    case GW_PDK_FORWARDED_SCHEME:
        return x->forwarded_proto.len ? x->forwarded_proto : x->request.scheme;
    case GW_PDK_FORWARDED_HOST:
        return host_of(x->forwarded_host.len ? x->forwarded_host : x->request.authority);
    case GW_PDK_CLIENT_IP:
        return GW_SLICE_EMPTY; /* made from the address, see below */
    case GW_PDK_FORWARDED_IP:
        return x->client_ip;
    case GW_PDK_CORRELATION_ID:
        return x->correlation_id;
    case GW_PDK_OUTGOING_PATH:
        return x->outgoing.path;
    case GW_PDK_OUTGOING_QUERY:
        return x->outgoing.has_query ? x->outgoing.query : GW_SLICE_EMPTY;
    }
    return GW_SLICE_EMPTY;
}

int gw_pdk_text(struct gw_pdk *h, int what)
{
    if (what == GW_PDK_CLIENT_IP) {
        char *text = gw_arena_alloc(h->x->arena, GW_ADDR_TEXT_MAX);

        return gw_pdk_put(h, gw_slice(text, gw_addr_format_ip(&h->x->peer, text)));
    }
    gw_pdk_put(h, text_of(h->x, (enum gw_pdk_text)what));
    return what == GW_PDK_QUERY ? h->x->request.has_query : h->len > 0;
}

/* "2001:db8:0:1::/64", in the arena. */
static struct gw_slice network_text(struct gw_arena *arena, struct gw_addr_bytes addr,
                                    unsigned bits)
{
    char *text = gw_arena_alloc(arena, GW_ADDR_TEXT_MAX + 4);
    unsigned whole = bits / 8;

    if (bits % 8)
        addr.bytes[whole++] &= (unsigned char)(0xff00 >> bits % 8);
    memset(addr.bytes + whole, 0, sizeof(addr.bytes) - whole);
    if (uv_inet_ntop(AF_INET6, addr.bytes, text, GW_ADDR_TEXT_MAX))
        return GW_SLICE_EMPTY;

    size_t len = strlen(text);

    len += (size_t)snprintf(text + len, 5, "/%u", bits);
    return gw_slice(text, len);
}

void gw_pdk_client_network(struct gw_pdk *h, unsigned bits)
{
    struct gw_slice ip = h->x->client_ip;
    struct gw_addr_bytes addr;

    if (ip.len && memchr(ip.ptr, ':', ip.len) && !gw_addr_bytes_parse(&addr, ip.ptr, ip.len) &&
        addr.len == 16 && bits < 128)
        ip = network_text(h->x->arena, addr, bits);
    gw_pdk_put(h, ip);
}

static double source_of(const struct gw_pdk *h)
{
    const struct gw_exchange *x = h->x;

    if (h->replied && x->reply)
        return x->reply->error ? 2 : 1;
    if (x->error)
        return 2;
    return x->received ? 0 : 1;
}

/* A request that was cut before anything was sent has the status of its error, as in the access
 * log. */
static int status_of(const struct gw_pdk *h)
{
    const struct gw_exchange *x = h->x;

    if (h->replied && x->reply)
        return x->reply->status;
    return h->phase == GW_PDK_LOG && x->error && !x->response_started
               ? gw_error_info(x->error)->status
               : x->response.status;
}

double gw_pdk_number(struct gw_pdk *h, int what)
{
    const struct gw_exchange *x = h->x;
    const struct gw_service *service = x->route ? x->route->service : NULL;

    switch (what) {
    case GW_PDK_PORT:
        return x->local_port;
    case GW_PDK_FORWARDED_PORT:
        return x->forwarded_port ? x->forwarded_port : x->local_port;
    case GW_PDK_CLIENT_PORT:
        return gw_addr_port(&x->peer);
    case GW_PDK_HTTP_VERSION:
        return x->request.version;
    case GW_PDK_PEER_TRUSTED:
        return x->peer_trusted;
    case GW_PDK_START_TIME:
        return (double)(x->times.wall_us / 1000);
    case GW_PDK_ROUTE:
        return x->route ? x->route->index + 1 : 0;
    case GW_PDK_SERVICE:
        return service ? service->index + 1 : 0;
    case GW_PDK_CONSUMER:
        return x->consumer ? x->consumer->index + 1 : 0;
    case GW_PDK_STATUS:
        return status_of(h);
    case GW_PDK_SERVICE_STATUS:
        return x->received ? x->received->status : 0;
    case GW_PDK_SOURCE:
        return source_of(h);
    case GW_PDK_BODY_LIMIT:
        return (double)x->limits->buffer;
    case GW_PDK_BODY_LENGTH:
        return (double)x->request.body_length;
    default:
        return gw_pdk_record(h, what);
    }
}

/* --- query and captures --- */

static struct gw_slice decoded(const struct gw_pdk *h, struct gw_slice text)
{
    return gw_uri_decode(text, true, h->x->arena);
}

int gw_pdk_arg(struct gw_pdk *h, const char *name, size_t len)
{
    struct gw_slice rest = h->x->request.query, found, value;
    bool has_value;

    while (gw_uri_next_arg(&rest, &found, &value, &has_value)) {
        if (!gw_slice_equal(decoded(h, found), gw_slice(name, len)))
            continue;
        gw_pdk_put_value(h, decoded(h, value));
        return has_value ? 1 : 2;
    }
    return 0;
}

int gw_pdk_next_arg(struct gw_pdk *h)
{
    struct gw_slice query = h->x->request.query, rest = gw_slice_skip(query, h->at_byte);
    struct gw_slice name, value;
    bool has_value;

    if (!gw_uri_next_arg(&rest, &name, &value, &has_value))
        return 0;
    h->at_byte = query.len - rest.len;
    gw_pdk_put(h, decoded(h, name));
    gw_pdk_put_value(h, decoded(h, value));
    return has_value ? 1 : 2;
}

int gw_pdk_capture_at(struct gw_pdk *h, uint32_t n)
{
    if (n >= h->x->capture_count)
        return 0;
    gw_pdk_put(h, h->x->captures[n].name);
    gw_pdk_put_value(h, h->x->captures[n].value);
    return 1;
}

int gw_pdk_capture(struct gw_pdk *h, const char *name, size_t len)
{
    for (unsigned i = 0; i < h->x->capture_count; i++) {
        if (len && gw_slice_equal(h->x->captures[i].name, gw_slice(name, len)))
            return gw_pdk_capture_at(h, i);
    }
    return 0;
}

/* --- changing --- */

/* What may stand behind the "?": visible ASCII without "#". */
static bool query_valid(struct gw_slice query)
{
    return query.len == 0 || (gw_visible_valid(query) && memchr(query.ptr, '#', query.len) == NULL);
}

int gw_pdk_set_request(struct gw_pdk *h, int what, const char *text, size_t len)
{
    struct gw_head *request = &h->x->request;
    struct gw_slice value = gw_pdk_keep(h, text, len);

    switch (what) {
    case GW_PDK_METHOD:
        if (!gw_token_valid(value))
            return GW_PDK_BAD_VALUE;
        request->method = gw_method_parse(value);
        request->method_name = value;
        return GW_PDK_FINE;
    case GW_PDK_PATH:
        if (gw_uri_normalise_path(value, h->x->arena, &value))
            return GW_PDK_BAD_VALUE;
        request->path = value;
        return GW_PDK_FINE;
    case GW_PDK_QUERY:
        if (!query_valid(value))
            return GW_PDK_BAD_VALUE;
        request->query = value;
        request->has_query = len > 0;
        return GW_PDK_FINE;
    default:
        return GW_PDK_UNKNOWN;
    }
}

int gw_pdk_set_id(struct gw_pdk *h, const char *id, size_t len)
{
    if (len == 0 || len > GW_PDK_ID_MAX)
        return GW_PDK_BAD_VALUE;
    for (size_t i = 0; i < len; i++)
        if (id[i] <= ' ' || id[i] >= 0x7f || id[i] == '"' || id[i] == '\\')
            return GW_PDK_BAD_VALUE;
    h->x->correlation_id = gw_pdk_keep(h, id, len);
    return GW_PDK_FINE;
}

int gw_pdk_limit_body(struct gw_pdk *h, double max)
{
    struct gw_exchange *x = h->x;

    if (x->body_limit < 0 || max < (double)x->body_limit)
        x->body_limit = (int64_t)max;
    return x->request.body_length <= x->body_limit && x->counts.bytes_in <= (uint64_t)x->body_limit;
}

int gw_pdk_set_outgoing(struct gw_pdk *h, int what, const char *text, size_t len)
{
    struct gw_exchange *x = h->x;
    struct gw_slice value = gw_pdk_keep(h, text, len);

    switch (what) {
    case GW_PDK_METHOD:
        if (!gw_token_valid(value))
            return GW_PDK_BAD_VALUE;
        x->outgoing.method = gw_method_parse(value);
        x->outgoing.method_name = value;
        return GW_PDK_FINE;
    case GW_PDK_PATH:
        if (gw_uri_normalise_path(value, x->arena, &value))
            return GW_PDK_BAD_VALUE;
        x->outgoing.path = value;
        return GW_PDK_FINE;
    case GW_PDK_QUERY:
        if (!query_valid(value))
            return GW_PDK_BAD_VALUE;
        x->outgoing.query = value;
        x->outgoing.has_query = len > 0;
        return GW_PDK_FINE;
    default:
        return GW_PDK_UNKNOWN;
    }
}

/* The query without the arguments of that name; the others keep their bytes. */
static struct gw_slice without_arg(const struct gw_pdk *h, struct gw_slice query,
                                   struct gw_slice name)
{
    struct gw_slice rest = query, argument;
    char *kept = gw_arena_alloc(h->x->arena, query.len + 1);
    size_t len = 0;

    while (gw_slice_next(&rest, '&', &argument)) {
        struct gw_slice text = argument, found, value;
        bool has_value;

        if (!gw_uri_next_arg(&text, &found, &value, &has_value) ||
            gw_slice_equal(decoded(h, found), name))
            continue;
        if (len)
            kept[len++] = '&';
        memcpy(kept + len, argument.ptr, argument.len);
        len += argument.len;
    }
    return gw_slice(kept, len);
}

/* What is taken away (a credential) is gone for later plugins too, as a cleared header is. */
int gw_pdk_clear_arg(struct gw_pdk *h, const char *name, size_t len)
{
    struct gw_exchange *x = h->x;

    x->outgoing.query = without_arg(h, x->outgoing.query, gw_slice(name, len));
    x->outgoing.has_query = x->outgoing.query.len > 0;
    x->request.query = without_arg(h, x->request.query, gw_slice(name, len));
    x->request.has_query = x->request.query.len > 0;
    return GW_PDK_FINE;
}

/* Host before routing is what is routed by; afterwards it is what the service sees. */
int gw_pdk_set_host(struct gw_pdk *h, const char *text, size_t len)
{
    struct gw_slice authority;

    if (gw_uri_parse_authority(gw_slice(text, len), h->x->arena, &authority))
        return GW_PDK_BAD_VALUE;
    authority = gw_arena_copy(h->x->arena, authority);
    if (h->phase == GW_PDK_REWRITE_GLOBAL)
        h->x->request.authority = authority;
    else
        h->x->outgoing.authority = authority;
    return GW_PDK_FINE;
}

int gw_pdk_set_outgoing_body(struct gw_pdk *h, const char *body, size_t len)
{
    h->x->outgoing.body = gw_pdk_keep(h, body, len);
    h->x->outgoing.has_body = true;
    return GW_PDK_FINE;
}
