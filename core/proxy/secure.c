/* What is asked of the way a request came: that it was HTTPS, that its connection was made for its
 * host, that its client has shown a certificate. */
#include "base/log.h"
#include "http/uri.h"
#include "net/tls_server.h"
#include "proxy/flight.h"

/* ── plain HTTP where HTTPS is meant ───────────────────────────────────────── */

static bool is_https(const struct gw_exchange *x)
{
    return gw_slice_equal(x->forwarded_proto, GW_SLICE("https"));
}

static struct gw_slice target_of(const struct gw_exchange *x)
{
    const struct gw_head *request = &x->request;

    if (request->raw_target.len && request->raw_target.ptr[0] == '/')
        return request->raw_target;
    return gw_arena_printf(x->arena, "%.*s%s%.*s", GW_SLICE_ARG(request->path),
                           request->has_query ? "?" : "", GW_SLICE_ARG(request->query));
}

/* To the same place; its port is HTTPS's own, because nobody knows which other one it would be. */
static void redirect(struct gw_flight *flight, unsigned status)
{
    struct gw_exchange *x = &flight->x;
    struct gw_reply *reply = gw_arena_alloc_zero(x->arena, sizeof(*reply));

    reply->status = (int)status;
    x->reply = reply;
    gw_fields_add(&reply->fields, x->arena, GW_SLICE("location"),
                  gw_arena_printf(x->arena, "https://%.*s%.*s", GW_SLICE_ARG(x->forwarded_host),
                                  GW_SLICE_ARG(target_of(x))));
}

static void ask_for_https(struct gw_flight *flight, unsigned status)
{
    struct gw_exchange *x = &flight->x;

    if (status != 426) {
        redirect(flight, status);
        return;
    }
    gw_flight_refuse(flight, GW_E_HTTPS_ONLY);
    x->reply->protocol = GW_SLICE("TLS/1.2, HTTP/1.1");
}

/* ── connections ───────────────────────────────────────────────────────────── */

/* A client that shows nothing where everything is asked under another name must not get in by that
 * name's connection (RFC 9110 15.5.20). */
static bool is_misdirected(const struct gw_exchange *x)
{
    return x->tls && !gw_tls_facts_cover(x->tls, gw_uri_host(x->request.authority, NULL));
}

bool gw_flight_check_way(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    unsigned status = flight->listener ? flight->listener->redirect_https : 0;

    if (status && !is_https(x)) {
        redirect(flight, status);
        return false;
    }
    if (is_misdirected(x)) {
        gw_flight_refuse(flight, GW_E_MISDIRECTED);
        return false;
    }
    return true;
}

/* ── what the route asks for ───────────────────────────────────────────────── */

static bool may_come(const struct gw_exchange *x)
{
    const struct gw_clients_config *clients = x->route->clients;
    const unsigned char *trust = clients->ca.len ? x->route->trust : NULL;

    if (x->tls && gw_tls_facts_trusted(x->tls, trust))
        return true;
    return clients->mode == GW_TLS_CLIENT_OPTIONAL &&
           (!x->tls || x->tls->shown == GW_TLS_SHOWN_NOTHING);
}

/* In words for the client: what it can mend, and nothing of whom we trust. */
static void refuse_client(struct gw_flight *flight)
{
    const struct gw_exchange *x = &flight->x;
    const char *problem = x->tls ? gw_tls_facts_refused(x->tls)
                                 : "a client certificate is asked for, and this is no TLS";

    gw_info("request %.*s, route %.*s, client %.*s: %s%s%s", GW_SLICE_ARG(x->correlation_id),
            GW_SLICE_ARG(x->route->name), GW_SLICE_ARG(x->client_ip), problem,
            x->tls && x->tls->shown == GW_TLS_SHOWN_BAD ? ": " : "",
            x->tls && x->tls->shown == GW_TLS_SHOWN_BAD ? gw_tls_facts_problem(x->tls) : "");
    gw_flight_refuse_saying(flight, GW_E_CLIENT_CERTIFICATE, problem);
}

bool gw_flight_check_route(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    const struct gw_route *route = x->route;

    if (route->https_status && !is_https(x)) {
        ask_for_https(flight, route->https_status);
        return false;
    }
    if (route->clients && !may_come(x)) {
        refuse_client(flight);
        return false;
    }
    return true;
}
