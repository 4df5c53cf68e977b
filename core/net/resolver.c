#include "net/resolver.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"
#include "net/dns.h"
#include "net/outside.h"

#define NAMES_MAX 1024  /* remembered; the one unused for longest goes first */
#define ASKING_MAX 1024 /* on their way to a server */
#define NAME_LEN_MAX 253
#define LABEL_LEN_MAX 63

#define TTL_FLOOR_S 1
#define TTL_CEILING_S 3600
#define RETRY_US 1000000 /* an answer that is none is believed for so long */

/* What is known of one name, and who waits for it. */
struct gw_name {
    struct gw_list_node node; /* in resolver->names, least used first */
    struct gw_resolver *resolver;
    struct gw_list waiting; /* struct gw_resolve */
    struct gw_list serving; /* the same, while their callbacks run */
    struct gw_defer deliver;
    struct gw_addr *addrs; /* the last good answer; NULL: there is none */
    unsigned count;
    uint64_t expires_us; /* until then the answer, also a bad one, is not asked for again */
    bool asking;
    bool stale;
    struct gw_slice text; /* of `data`; lower case, without a dot at the end */
    char data[];
};

struct gw_resolver {
    struct gw_loop *loop;
    struct gw_dns *dns;
    struct gw_map by_text;
    struct gw_list names;
    unsigned asking;
};

struct gw_resolve {
    struct gw_list_node node; /* in name->waiting or ->serving; in none when refused */
    struct gw_defer refused;
    enum gw_error refusal;
    uint16_t port;
    gw_resolve_cb done;
    void *ctx;
};

/* ── names ── */

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* "127.1", "0x7f.1": numbers that some read as an address are no names (their last label is a
 * number). */
static bool is_number(struct gw_slice label)
{
    bool hex = label.len >= 2 && label.ptr[0] == '0' && label.ptr[1] == 'x';

    for (size_t i = hex ? 2 : 0; i < label.len; i++) {
        char c = label.ptr[i];

        if (!(c >= '0' && c <= '9') && !(hex && c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}

/* Lower case and without a dot at the end in `out`; false when no name can look like that. */
static bool normalise(const char *name, char out[NAME_LEN_MAX + 1], size_t *len)
{
    struct gw_slice text = gw_slice_from(name);
    size_t label = 0; /* where it begins */

    if (text.len > 0 && text.ptr[text.len - 1] == '.')
        text.len--;
    if (text.len == 0 || text.len > NAME_LEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        out[i] = gw_lower(text.ptr[i]);
        if (out[i] == '.') {
            if (i == label)
                return false;
            label = i + 1;
        } else if (!is_name_char(out[i]) || i - label >= LABEL_LEN_MAX) {
            return false;
        }
    }
    out[text.len] = '\0';
    *len = text.len;
    return label < text.len && !is_number(gw_slice(out + label, text.len - label));
}

static void free_name(struct gw_name *name)
{
    gw_map_remove(&name->resolver->by_text, name->text);
    gw_list_remove(&name->node);
    gw_defer_cancel(&name->deliver);
    gw_free(name->addrs);
    gw_free(name);
}

static bool in_use(const struct gw_name *name)
{
    return name->asking || gw_list_linked(&name->deliver.node) || !gw_list_empty(&name->waiting) ||
           !gw_list_empty(&name->serving);
}

static void forget_oldest(struct gw_resolver *resolver)
{
    GW_LIST_EACH(&resolver->names, node) {
        struct gw_name *name = container_of(node, struct gw_name, node);

        if (!in_use(name)) {
            free_name(name);
            return;
        }
    }
}

static struct gw_name *find_name(struct gw_resolver *resolver, struct gw_slice text)
{
    struct gw_name *name = gw_map_get(&resolver->by_text, text);

    if (name) {
        gw_list_remove(&name->node);
        gw_list_append(&resolver->names, &name->node);
        return name;
    }
    if (resolver->by_text.count >= NAMES_MAX)
        forget_oldest(resolver);
    name = gw_alloc_zero(sizeof(*name) + text.len + 1);
    name->resolver = resolver;
    gw_list_init(&name->waiting);
    gw_list_init(&name->serving);
    memcpy(name->data, text.ptr, text.len);
    name->text = gw_slice(name->data, text.len);
    gw_map_put(&resolver->by_text, name->text, name);
    gw_list_append(&resolver->names, &name->node);
    return name;
}

/* ── answers ── */

static void set_port(struct gw_addr *addr, uint16_t port)
{
    if (addr->sa.any.sa_family == AF_INET)
        addr->sa.v4.sin_port = htons(port);
    else
        addr->sa.v6.sin6_port = htons(port);
}

static void serve(struct gw_name *name, struct gw_resolve *resolve)
{
    uint64_t now_us = name->resolver->loop->clock.now_us;
    uint64_t left_ms = name->expires_us > now_us ? (name->expires_us - now_us) / 1000 : 0;
    struct gw_resolved answer = {
        .count = name->count,
        .ttl_ms = (uint32_t)left_ms,
        .stale = name->stale,
        .addrs = name->addrs,
    };

    for (unsigned i = 0; i < name->count; i++)
        set_port(&name->addrs[i], resolve->port);
    resolve->done(resolve->ctx, &answer, name->count ? GW_OK : GW_E_RESOLVE);
    gw_free(resolve);
}

static void deliver(struct gw_defer *defer)
{
    struct gw_name *name = container_of(defer, struct gw_name, deliver);
    struct gw_list_node *node;

    while ((node = gw_list_first(&name->waiting))) {
        gw_list_remove(node);
        gw_list_append(&name->serving, node);
    }
    /* Callbacks may cancel others, and ask again: those wait for the next turn. */
    while ((node = gw_list_first(&name->serving))) {
        gw_list_remove(node);
        serve(name, container_of(node, struct gw_resolve, node));
    }
}

static void deliver_later(struct gw_name *name)
{
    gw_loop_defer(name->resolver->loop, &name->deliver, deliver);
}

static uint64_t ttl_us(uint32_t ttl_s)
{
    if (ttl_s < TTL_FLOOR_S)
        ttl_s = TTL_FLOOR_S;
    if (ttl_s > TTL_CEILING_S)
        ttl_s = TTL_CEILING_S;
    return (uint64_t)ttl_s * 1000000;
}

static void on_answer(void *ctx, const struct gw_dns_answer *answer)
{
    struct gw_name *name = ctx;
    uint64_t now_us = name->resolver->loop->clock.now_us;

    name->asking = false;
    name->resolver->asking--;
    name->expires_us = now_us + RETRY_US;
    name->stale = answer->outcome == GW_DNS_FAILED && name->count > 0;
    deliver_later(name);
    if (answer->outcome == GW_DNS_FAILED)
        return; /* the last good answer, if there is one, stays */
    gw_free(name->addrs);
    name->addrs = NULL;
    name->count = answer->count;
    if (answer->count == 0)
        return;
    name->addrs = gw_alloc(answer->count * sizeof(*name->addrs));
    memcpy(name->addrs, answer->addrs, answer->count * sizeof(*name->addrs));
    name->expires_us = now_us + ttl_us(answer->ttl_s);
}

/* Where the network is not the real one (the harness); the answer is delivered later all the
 * same. */
static bool answer_from_outside(struct gw_loop *loop, struct gw_name *name)
{
    struct gw_addr addr;
    struct gw_dns_answer answer = {
        .outcome = GW_DNS_FOUND, .ttl_s = TTL_CEILING_S, .count = 1, .addrs = &addr
    };

    if (!loop->outside || !loop->outside->find(loop->outside, name->data, &addr))
        return false;
    on_answer(name, &answer);
    return true;
}

/* ── questions ── */

static void refuse_now(struct gw_defer *defer)
{
    struct gw_resolve *resolve = container_of(defer, struct gw_resolve, refused);

    resolve->done(resolve->ctx, &(struct gw_resolved){ 0 }, resolve->refusal);
    gw_free(resolve);
}

static void refuse(struct gw_loop *loop, struct gw_resolve *resolve, enum gw_error why)
{
    resolve->refusal = why;
    gw_loop_defer(loop, &resolve->refused, refuse_now);
}

static struct gw_resolver *resolver_of(struct gw_loop *loop)
{
    if (!loop->resolver) {
        loop->resolver = gw_alloc_zero(sizeof(*loop->resolver));
        loop->resolver->loop = loop;
        loop->resolver->dns = gw_dns_new(loop, GW_RESOLVE_MAX);
        gw_map_init(&loop->resolver->by_text);
        gw_list_init(&loop->resolver->names);
    }
    return loop->resolver;
}

struct gw_resolve *gw_resolve_start(struct gw_loop *loop, const char *name, uint16_t port,
                                    gw_resolve_cb done, void *ctx)
{
    struct gw_resolver *resolver = resolver_of(loop);
    struct gw_resolve *resolve = gw_alloc_zero(sizeof(*resolve));
    char text[NAME_LEN_MAX + 1];
    size_t len;

    gw_loop_woke(loop);
    resolve->port = port;
    resolve->done = done;
    resolve->ctx = ctx;
    if (!normalise(name, text, &len)) {
        refuse(loop, resolve, GW_E_RESOLVE);
        return resolve;
    }
    struct gw_name *known = find_name(resolver, gw_slice(text, len));
    bool fresh = loop->clock.now_us < known->expires_us;

    if (!fresh && !known->asking && resolver->asking >= ASKING_MAX) {
        refuse(loop, resolve, GW_E_OVERLOADED);
        return resolve;
    }
    gw_list_append(&known->waiting, &resolve->node);
    if (fresh) {
        deliver_later(known);
    } else if (!known->asking) {
        known->asking = true;
        resolver->asking++;
        if (!answer_from_outside(loop, known))
            gw_dns_ask(resolver->dns, known->data, on_answer, known);
    }
    return resolve;
}

void gw_resolve_cancel(struct gw_resolve *resolve)
{
    gw_list_remove(&resolve->node);
    gw_defer_cancel(&resolve->refused);
    gw_free(resolve);
}

bool gw_resolver_set_servers(struct gw_loop *loop, const char *servers)
{
    return gw_dns_set_servers(resolver_of(loop)->dns, gw_slice_from(servers));
}

void gw_resolver_free(struct gw_resolver *resolver)
{
    struct gw_list_node *node;

    gw_dns_close(resolver->dns);
    while ((node = gw_list_first(&resolver->names))) {
        struct gw_name *name = container_of(node, struct gw_name, node);

        GW_ASSERT(gw_list_empty(&name->waiting)); /* whoever asked has cancelled */
        free_name(name);
    }
    gw_map_deinit(&resolver->by_text);
    gw_free(resolver);
}
