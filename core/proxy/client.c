/* Who asks. Nothing a client says about itself is believed, unless its connection comes from one of
 * trusted_proxies. */
#include "config/config.h"
#include "http/h1.h"
#include "http/hop.h"
#include "http/uri.h"
#include "net/loop.h"
#include "proxy/flight.h"
#include "proxy/peer.h"

#define HOPS_MAX 32 /* items of X-Forwarded-For that are looked at */
#define ID_MAX 128

static bool trusts(const struct gw_config *config, const struct gw_addr *addr)
{
    return gw_peer_in(config->trusted_proxies, addr);
}

bool gw_proxy_trusts(const struct gw_proxy *proxy, const struct gw_addr *addr)
{
    return trusts(proxy->epoch->config, addr);
}

static struct gw_slice ip_text(struct gw_arena *arena, const struct gw_addr *addr)
{
    char text[GW_ADDR_TEXT_MAX];

    return addr->len ? gw_arena_copy(arena, gw_slice(text, gw_addr_format_ip(addr, text)))
                     : GW_SLICE_EMPTY;
}

/* ── X-Forwarded-For, from the right ───────────────────────────────────────── */

static bool parse_hop(struct gw_slice item, struct gw_addr *addr)
{
    return gw_addr_parse_ip(addr, item, 0) ||
           (gw_addr_parse(addr, item) && addr->sa.any.sa_family != AF_UNIX);
}

/* Cuts the last item of a list off. */
static bool cut_last(struct gw_slice *list, struct gw_slice *item)
{
    size_t at = list->len;

    if (list->len == 0)
        return false;
    while (at > 0 && list->ptr[at - 1] != ',')
        at--;
    *item = gw_slice_trim(gw_slice_skip(*list, at));
    list->len = at ? at - 1 : 0;
    return true;
}

/* The rightmost address that is no proxy of ours; what cannot be read ends the walk. */
static struct gw_addr real_client(const struct gw_exchange *x)
{
    const struct gw_slice name = GW_SLICE("x-forwarded-for");
    struct gw_addr client = x->peer, hop;
    unsigned hops = 0;

    for (unsigned n = gw_fields_count(&x->request.fields, name); n > 0; n--) {
        struct gw_slice list = *gw_fields_nth(&x->request.fields, name, n - 1), item;

        while (cut_last(&list, &item)) {
            if (++hops > HOPS_MAX || !parse_hop(item, &hop))
                return client;
            client = hop;
            if (!trusts(x->config, &hop))
                return client;
        }
    }
    return client;
}

/* ── how it reached the first proxy we trust ───────────────────────────────── */

static struct gw_slice first_item(const struct gw_exchange *x, struct gw_slice name)
{
    const struct gw_slice *value = gw_fields_get(&x->request.fields, name);
    struct gw_slice list = value ? *value : GW_SLICE_EMPTY, item = GW_SLICE_EMPTY;

    gw_slice_next(&list, ',', &item);
    return item;
}

static void take_forwarded(struct gw_exchange *x)
{
    struct gw_slice proto = first_item(x, GW_SLICE("x-forwarded-proto"));
    struct gw_slice host = first_item(x, GW_SLICE("x-forwarded-host"));
    struct gw_slice port = first_item(x, GW_SLICE("x-forwarded-port"));
    struct gw_slice authority;
    int64_t number;

    if (gw_slice_equal_nocase(proto, GW_SLICE("https")))
        x->forwarded_proto = GW_SLICE("https");
    else if (gw_slice_equal_nocase(proto, GW_SLICE("http")))
        x->forwarded_proto = GW_SLICE("http");
    if (host.len && gw_uri_parse_authority(host, x->arena, &authority) == GW_OK)
        x->forwarded_host = gw_uri_host(authority, NULL);
    if (gw_slice_to_int64(port, &number) && number > 0 && number < 65536)
        x->forwarded_port = (uint16_t)number;
}

/* ── the correlation id ────────────────────────────────────────────────────── */

static bool is_id(struct gw_slice text)
{
    if (text.len == 0 || text.len > ID_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');

        if (!plain && !memchr("-_.:/+=", c, 7))
            return false;
    }
    return true;
}

static void take_correlation_id(struct gw_exchange *x)
{
    static const struct gw_slice names[] = {
        { "x-correlation-id", 16 },
        { "x-request-id", 12 },
    };

    for (unsigned i = 0; x->peer_trusted && i < GW_ARRAY_LEN(names); i++) {
        const struct gw_slice *value = gw_fields_get(&x->request.fields, names[i]);

        if (value && is_id(*value)) {
            x->correlation_id = *value;
            return;
        }
    }

    char *id = gw_arena_alloc(x->arena, 37);

    gw_uuid_v7(&x->loop->random, x->loop->clock.wall_us, id);
    x->correlation_id = gw_slice(id, 36);
}

static void take_tls(struct gw_exchange *x, const struct gw_tls *tls)
{
    struct gw_tls_facts *facts = tls ? gw_tls_facts(tls) : NULL;

    x->tls = facts ? gw_tls_facts_ref(facts) : NULL;
}

void gw_flight_identify(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_conn *conn = x->down ? gw_stream_conn(x->down) : NULL;

    if (conn) {
        x->conn_id = gw_conn_id(conn);
        x->peer = *gw_conn_peer(conn);
        x->local_port = gw_conn_local_port(conn);
        take_tls(x, gw_conn_tls(conn));
    }
    x->forwarded_proto = x->request.scheme;
    x->forwarded_host = gw_uri_host(x->request.authority, NULL);
    x->forwarded_port = x->local_port;
    x->peer_trusted = trusts(x->config, &x->peer);
    gw_hop_clean_request(&x->request.fields);
    if (x->peer_trusted) {
        struct gw_addr client = real_client(x);

        x->client_ip = ip_text(x->arena, &client);
        take_forwarded(x);
    } else {
        x->client_ip = ip_text(x->arena, &x->peer);
    }
    take_correlation_id(x);
}
