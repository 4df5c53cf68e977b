#include "http/hop.h"

#include "base/buf.h"
#include "base/check.h"
#include "http/token.h"
#include "http/uri.h"
#include "net/addr.h"

/* Heads are bounded, and each of their bytes becomes at most a dozen here. */
#define FORWARDED_MAX (64u * 1024 * 1024)
#define CONNECTION_MAX 32 /* items of one Connection field; each costs a walk over all fields */

#define NAME(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static bool is_one_of(struct gw_slice name, const struct gw_slice *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gw_slice_equal(name, names[i]))
            return true;
    return false;
}

static bool has_prefix_of(struct gw_slice name, const struct gw_slice *prefixes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (gw_slice_starts_with(name, prefixes[i]))
            return true;
    return false;
}

#define IS_ONE_OF(name, names) is_one_of(name, names, GW_ARRAY_LEN(names))
#define HAS_PREFIX_OF(name, names) has_prefix_of(name, names, GW_ARRAY_LEN(names))

/* ── Connection's own list ─────────────────────────────────────────────────── */

static bool is_protected(struct gw_slice name)
{
    static const struct gw_slice names[] = {
        NAME("host"),          NAME("authorization"), NAME("cookie"), NAME("set-cookie"),
        NAME("cache-control"), NAME("date"),          NAME("vary"),   NAME("via"),
        NAME("forwarded"),     NAME("x-real-ip"),     NAME("origin"), NAME("www-authenticate"),
        NAME("expires"),       NAME("trailer"),       NAME("etag"),   NAME("location"),
        NAME("traceparent"),   NAME("tracestate"),    NAME("range"),
    };
    static const struct gw_slice prefixes[] = {
        NAME("content-"),        NAME("x-forwarded-"), NAME("x-consumer-"),
        NAME("access-control-"), NAME("if-"),
    };

    return IS_ONE_OF(name, names) || HAS_PREFIX_OF(name, prefixes);
}

static void keep(struct gw_fields *fields, unsigned *kept, unsigned i)
{
    if (*kept != i)
        fields->items[*kept] = fields->items[i];
    ++*kept;
}

static void remove_all(struct gw_fields *fields, bool (*is_unwanted)(struct gw_slice name))
{
    unsigned kept = 0;

    for (unsigned i = 0; i < fields->count; i++)
        if (!is_unwanted(fields->items[i].name))
            keep(fields, &kept, i);
    fields->count = kept;
}

static void remove_nocase(struct gw_fields *fields, struct gw_slice name)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < fields->count; i++)
        if (!gw_slice_equal_nocase(fields->items[i].name, name) ||
            is_protected(fields->items[i].name))
            keep(fields, &kept, i);
    fields->count = kept;
}

bool gw_hop_remove_named(struct gw_fields *fields, struct gw_slice connection)
{
    struct gw_slice name;

    for (unsigned n = 0; gw_slice_next(&connection, ',', &name); n++) {
        if (n == CONNECTION_MAX)
            return false;
        if (name.len)
            remove_nocase(fields, name);
    }
    return true;
}

/* ── what must not pass ────────────────────────────────────────────────────── */

/* A look at the first byte spares most names the rest. */
static bool begins_with(struct gw_slice name, char a, char b, char c)
{
    char first = name.len ? name.ptr[0] : '\0';

    return first == a || first == b || first == c;
}

static bool says_forwarding(struct gw_slice name)
{
    /* Client-Cert: RFC 9440, by which proxies tell of a client's certificate; Envoy's name for that
     * begins with X-Forwarded. */
    static const struct gw_slice names[] = { NAME("x-real-ip"), NAME("forwarded"),
                                             NAME("client-cert"), NAME("client-cert-chain") };
    /* X-Moongate-: what another gateway says of the request, such as that it is a copy. */
    static const struct gw_slice prefixes[] = { NAME("x-forwarded"), NAME("x-moongate-") };

    return IS_ONE_OF(name, names) || HAS_PREFIX_OF(name, prefixes);
}

static bool says_identity(struct gw_slice name)
{
    static const struct gw_slice prefixes[] = {
        NAME("x-consumer-"),
        NAME("x-credential-"),
        NAME("x-authenticated-"),
        NAME("x-anonymous-consumer"),
    };

    return HAS_PREFIX_OF(name, prefixes);
}

/* All guarded names begin with "x", "forwarded" or "client", in every spelling. */
static bool may_be_guarded(struct gw_slice name)
{
    return begins_with(name, 'x', 'f', 'c');
}

static bool is_forged(struct gw_slice name)
{
    char spelling[GW_TOKEN_SPELLING_MAX];

    if (!may_be_guarded(name))
        return false;

    struct gw_slice canon = gw_token_spelling(name, spelling);

    if (says_identity(canon))
        return true;
    return says_forwarding(canon) && !gw_slice_equal(canon, name);
}

static bool must_not_reach_service(struct gw_slice name)
{
    static const struct gw_slice hop[] = {
        NAME("proxy-connection"), NAME("proxy-authorization"), NAME("proxy"), NAME("te"),
        NAME("keep-alive"),
    };

    return (begins_with(name, 'p', 't', 'k') && IS_ONE_OF(name, hop)) || is_forged(name);
}

void gw_hop_clean_request(struct gw_fields *fields)
{
    remove_all(fields, must_not_reach_service);
}

static bool must_not_reach_client(struct gw_slice name)
{
    static const struct gw_slice hop[] = {
        NAME("proxy-connection"),
        NAME("proxy-authenticate"),
        NAME("keep-alive"),
    };

    return begins_with(name, 'p', 'p', 'k') && IS_ONE_OF(name, hop);
}

void gw_hop_clean_response(struct gw_fields *fields)
{
    remove_all(fields, must_not_reach_client);
}

/* ── what we say ───────────────────────────────────────────────────────────── */

static bool says_forwarding_somehow(struct gw_slice name)
{
    char spelling[GW_TOKEN_SPELLING_MAX];

    return may_be_guarded(name) && says_forwarding(gw_token_spelling(name, spelling));
}

/* Joins all X-Forwarded-For lines a trusted peer sent, in order, and adds the peer itself. */
static struct gw_slice extend_forwarded_for(const struct gw_fields *fields, struct gw_arena *arena,
                                            struct gw_slice client_ip)
{
    struct gw_slice joined = GW_SLICE_EMPTY;
    const struct gw_slice *value;

    for (unsigned n = 0; (value = gw_fields_nth(fields, GW_SLICE("x-forwarded-for"), n)); n++) {
        if (value->len == 0)
            continue;
        joined = joined.len == 0 ? *value
                                 : gw_arena_printf(arena, "%.*s, %.*s", GW_SLICE_ARG(joined),
                                                   GW_SLICE_ARG(*value));
    }
    if (joined.len == 0)
        return client_ip;
    return gw_arena_printf(arena, "%.*s, %.*s", GW_SLICE_ARG(joined), GW_SLICE_ARG(client_ip));
}

/* What a trusted peer has said stays. */
static void say(struct gw_fields *fields, struct gw_arena *arena, bool peer_trusted,
                struct gw_slice name, struct gw_slice value)
{
    if (value.len && !(peer_trusted && gw_fields_get(fields, name)))
        gw_fields_add(fields, arena, name, value);
}

/* The host without its port; an IPv6 address keeps its brackets. */
static struct gw_slice host_of(struct gw_slice authority)
{
    struct gw_slice host = gw_uri_host(authority, NULL);

    if (authority.len && authority.ptr[0] == '[')
        return gw_slice(host.ptr - 1, host.len + 2);
    return host;
}

/* By hand: every request needs it, and printf() shows in the profile of a plain one. */
static struct gw_slice port_text(struct gw_arena *arena, uint16_t port)
{
    char *text = gw_arena_alloc(arena, 5);
    size_t at = 5;

    do {
        text[--at] = (char)('0' + port % 10);
        port = (uint16_t)(port / 10);
    } while (port);
    return gw_slice(text + at, 5 - at);
}

/* RFC 7239 6: an IPv6 address stands in brackets, and what has them or a colon in quotes; who has
 * no address is "unknown". */
static struct gw_slice node_text(struct gw_arena *arena, struct gw_slice ip)
{
    struct gw_addr addr;

    if (!gw_addr_parse_ip(&addr, ip, 0))
        return GW_SLICE("unknown");
    return memchr(ip.ptr, ':', ip.len) ? gw_arena_printf(arena, "\"[%.*s]\"", GW_SLICE_ARG(ip))
                                       : ip;
}

/* What proxies before the peer said only as X-Forwarded-For (RFC 7239 7.4). */
static void convert_chain(struct gw_buf *out, struct gw_arena *arena, struct gw_slice chain)
{
    struct gw_slice item;

    while (gw_slice_next(&chain, ',', &item) && chain.len) /* the last one is our peer */
        gw_buf_printf(out, "%sfor=%.*s", out->len ? ", " : "",
                      GW_SLICE_ARG(node_text(arena, gw_slice_trim(item))));
}

/* One more element behind those a trusted peer sent. `chain`: X-Forwarded-For with us. */
static void set_rfc7239(struct gw_fields *fields, struct gw_arena *arena,
                        const struct gw_forwarded *forwarded, struct gw_slice chain)
{
    const struct gw_slice name = GW_SLICE("forwarded");
    const struct gw_slice *value;
    struct gw_buf out;

    gw_buf_init(&out, FORWARDED_MAX);
    for (unsigned n = 0; (value = gw_fields_nth(fields, name, n)); n++)
        gw_buf_printf(&out, "%s%.*s", out.len ? ", " : "", GW_SLICE_ARG(*value));
    if (out.len == 0)
        convert_chain(&out, arena, chain);
    gw_buf_printf(&out, "%sfor=%.*s", out.len ? ", " : "",
                  GW_SLICE_ARG(node_text(arena, forwarded->client_ip)));
    if (forwarded->authority.len)
        gw_buf_printf(&out, ";host=\"%.*s\"", GW_SLICE_ARG(forwarded->authority));
    gw_buf_printf(&out, ";proto=%.*s", GW_SLICE_ARG(forwarded->scheme));
    gw_fields_set(fields, arena, name, gw_arena_copy(arena, gw_buf_slice(&out)));
    gw_buf_deinit(&out);
}

void gw_hop_set_forwarded(struct gw_fields *fields, struct gw_arena *arena,
                          const struct gw_forwarded *forwarded)
{
    bool trusted = forwarded->peer_trusted;
    struct gw_slice chain = forwarded->client_ip;

    if (trusted)
        chain = extend_forwarded_for(fields, arena, forwarded->client_ip);
    else
        remove_all(fields, says_forwarding_somehow);
    if (forwarded->rfc7239)
        set_rfc7239(fields, arena, forwarded, chain);
    if (trusted)
        gw_fields_set(fields, arena, GW_SLICE("x-forwarded-for"), chain);
    else
        gw_fields_add(fields, arena, GW_SLICE("x-forwarded-for"), chain);
    say(fields, arena, trusted, GW_SLICE("x-forwarded-proto"), forwarded->scheme);
    say(fields, arena, trusted, GW_SLICE("x-forwarded-host"), host_of(forwarded->authority));
    if (forwarded->port)
        say(fields, arena, trusted, GW_SLICE("x-forwarded-port"),
            port_text(arena, forwarded->port));
    say(fields, arena, trusted, GW_SLICE("x-real-ip"), forwarded->client_ip);
}

void gw_hop_set_via(struct gw_fields *fields, struct gw_arena *arena, int version)
{
    struct gw_slice text = version == 10   ? GW_SLICE("1.0 moongate")
                           : version == 20 ? GW_SLICE("2 moongate")
                                           : GW_SLICE("1.1 moongate");

    gw_fields_add(fields, arena, GW_SLICE("via"), text);
}

void gw_hop_forget_digests(struct gw_fields *fields)
{
    gw_fields_remove(fields, GW_SLICE("content-md5"));
    gw_fields_remove(fields, GW_SLICE("digest"));
    gw_fields_remove(fields, GW_SLICE("content-digest"));
    gw_fields_remove(fields, GW_SLICE("repr-digest"));
}

static bool is_weak(struct gw_slice etag)
{
    return etag.len > 2 && etag.ptr[0] == 'W' && etag.ptr[1] == '/';
}

void gw_hop_loosen_body(struct gw_fields *response, struct gw_arena *arena)
{
    gw_hop_forget_digests(response);
    gw_fields_remove(response, GW_SLICE("accept-ranges"));

    const struct gw_slice *etag = gw_fields_get(response, GW_SLICE("etag"));
    if (!etag || is_weak(*etag))
        return;
    if (etag->len >= 2 && etag->ptr[0] == '"')
        gw_fields_set(response, arena, GW_SLICE("etag"),
                      gw_arena_printf(arena, "W/%.*s", GW_SLICE_ARG(*etag)));
    else
        gw_fields_remove(response, GW_SLICE("etag"));
}

void gw_hop_ask_for_whole(struct gw_fields *request)
{
    gw_fields_remove(request, GW_SLICE("range"));
    gw_fields_remove(request, GW_SLICE("if-range"));
}
