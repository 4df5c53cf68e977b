#include "net/resolver.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/map.h"
#include "net/outside.h"
#include "net/resolver_rules.h"

#define NAMES_MAX 4096  /* remembered; the one unused for longest goes first */
#define ASKING_MAX 1024 /* on their way to a server */

#define RETRY_US 1000000   /* an answer that is none is believed for so long */
#define PATIENCE_US 500000 /* who can have the last good answer waits so long for a new one */

/* What is known of one name, and who waits for it. */
struct gw_name {
    struct gw_list_node node; /* in resolver->names, least used first */
    struct gw_resolver *resolver;
    struct gw_list waiting; /* struct gw_resolve: for an answer */
    struct gw_list ready;   /* the same, to be told what is known */
    struct gw_list serving; /* the same, while their callbacks run */
    struct gw_defer deliver;
    struct gw_timer patience;
    struct gw_addr *addrs; /* the last good answer; NULL: there is none */
    unsigned count;
    uint64_t expires_us; /* until then the answer, also a bad one, is not asked for again */
    bool asking;
    bool stale, gone;     /* of the last answer */
    struct gw_slice text; /* of `data`; lower case, without a dot at the end */
    char data[];
};

struct gw_resolver {
    struct gw_loop *loop;
    struct gw_dns *dns;
    struct gw_map by_text;
    struct gw_list names;
    unsigned asking;
    struct gw_kept_rules rules;
};

struct gw_resolve {
    struct gw_list_node node; /* in a list of its name; in none when refused */
    bool refreshes;           /* waits for the server's word */
    struct gw_defer refused;
    enum gw_error refusal;
    uint16_t port;
    gw_resolve_cb done;
    void *ctx;
};

/* ── names ── */

static void free_name(struct gw_name *name)
{
    gw_map_remove(&name->resolver->by_text, name->text);
    gw_list_remove(&name->node);
    gw_defer_cancel(&name->deliver);
    gw_timer_stop(&name->patience);
    gw_free(name->addrs);
    gw_free(name);
}

static bool in_use(const struct gw_name *name)
{
    return name->asking || gw_list_linked(&name->deliver.node) || !gw_list_empty(&name->waiting) ||
           !gw_list_empty(&name->ready) || !gw_list_empty(&name->serving);
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
    gw_list_init(&name->ready);
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
        .stale = name->count > 0 && (name->stale || left_ms == 0),
        .gone = name->gone,
        .addrs = name->addrs,
    };

    for (unsigned i = 0; i < name->count; i++)
        set_port(&name->addrs[i], resolve->port);
    resolve->done(resolve->ctx, &answer, name->count ? GW_OK : GW_E_RESOLVE);
    gw_free(resolve);
}

static void move(struct gw_list_node *node, struct gw_list *to)
{
    gw_list_remove(node);
    gw_list_append(to, node);
}

static void deliver(struct gw_defer *defer)
{
    struct gw_name *name = container_of(defer, struct gw_name, deliver);
    struct gw_list_node *node;

    while ((node = gw_list_first(&name->ready)))
        move(node, &name->serving);
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

/* The server takes its time: who asked for an address has the last good one. */
static void lose_patience(struct gw_timer *timer)
{
    struct gw_name *name = container_of(timer, struct gw_name, patience);

    GW_LIST_EACH(&name->waiting, node)
        if (!container_of(node, struct gw_resolve, node)->refreshes)
            move(node, &name->ready);
    if (!gw_list_empty(&name->ready))
        deliver_later(name);
}

static void on_answer(void *ctx, const struct gw_dns_answer *answer)
{
    struct gw_name *name = ctx;
    uint64_t now_us = name->resolver->loop->clock.now_us;
    struct gw_list_node *node;

    name->asking = false;
    name->resolver->asking--;
    name->expires_us = now_us + RETRY_US;
    name->stale = answer->outcome == GW_DNS_FAILED && name->count > 0;
    name->gone = answer->outcome == GW_DNS_NO_SUCH_NAME;
    gw_timer_stop(&name->patience);
    while ((node = gw_list_first(&name->waiting)))
        move(node, &name->ready);
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
    name->expires_us = now_us + gw_kept_rules_ttl_us(&name->resolver->rules, answer->ttl_s);
}

/* Names that need no server: of the configuration, and where the network is not the real one (the
 * harness); the answer is delivered later all the same. */
static bool answer_at_once(struct gw_loop *loop, struct gw_name *name)
{
    struct gw_resolver *resolver = name->resolver;
    struct gw_dns_answer answer = { .outcome = GW_DNS_FOUND, .ttl_s = UINT32_MAX };

    answer.addrs = gw_alloc((resolver->rules.host_count + 1) * sizeof(*answer.addrs));
    if (loop->outside && loop->outside->find(loop->outside, name->data, answer.addrs))
        answer.count = 1;
    else
        answer.count = gw_kept_rules_find(&resolver->rules, name->data, answer.addrs);
    if (answer.count > 0)
        on_answer(name, &answer);
    gw_free(answer.addrs);
    return answer.count > 0;
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
        gw_kept_rules_init(&loop->resolver->rules);
        gw_map_init(&loop->resolver->by_text);
        gw_list_init(&loop->resolver->names);
    }
    return loop->resolver;
}

static void ask(struct gw_loop *loop, struct gw_name *name)
{
    name->asking = true;
    name->resolver->asking++;
    if (!answer_at_once(loop, name))
        gw_dns_ask(name->resolver->dns, name->data, on_answer, name);
}

/* Where it waits: a fresh answer is there already; after a failure the last good one is, too, and
 * one that is only old is after a while. */
static void wait(struct gw_loop *loop, struct gw_name *name, struct gw_resolve *resolve, bool fresh)
{
    bool known = fresh || name->stale;

    if (known && !resolve->refreshes) {
        gw_list_append(&name->ready, &resolve->node);
        deliver_later(name);
        return;
    }
    gw_list_append(&name->waiting, &resolve->node);
    if (name->count > 0 && !gw_timer_running(&name->patience))
        gw_timer_start(loop, &name->patience, PATIENCE_US, lose_patience);
}

static struct gw_resolve *start(struct gw_loop *loop, const char *name, bool refreshes,
                                const struct gw_resolve *asked)
{
    struct gw_resolver *resolver = resolver_of(loop);
    struct gw_resolve *resolve = gw_alloc(sizeof(*resolve));
    char text[GW_HOST_NAME_MAX + 1];
    size_t len;

    gw_loop_woke(loop);
    *resolve = *asked;
    resolve->refreshes = refreshes;
    if (!gw_host_name_normalise(gw_slice_from(name), text, &len)) {
        refuse(loop, resolve, GW_E_RESOLVE);
        return resolve;
    }
    struct gw_name *known = find_name(resolver, gw_slice(text, len));
    bool fresh = !refreshes && loop->clock.now_us < known->expires_us;

    if (!fresh && !known->asking && resolver->asking >= ASKING_MAX) {
        refuse(loop, resolve, GW_E_OVERLOADED);
        return resolve;
    }
    wait(loop, known, resolve, fresh);
    if (!fresh && !known->asking)
        ask(loop, known);
    return resolve;
}

struct gw_resolve *gw_resolve_start(struct gw_loop *loop, const char *name, uint16_t port,
                                    gw_resolve_cb done, void *ctx)
{
    return start(loop, name, false, &(struct gw_resolve){ .port = port, .done = done, .ctx = ctx });
}

struct gw_resolve *gw_resolve_refresh(struct gw_loop *loop, const char *name, uint16_t port,
                                      gw_resolve_cb done, void *ctx)
{
    return start(loop, name, true, &(struct gw_resolve){ .port = port, .done = done, .ctx = ctx });
}

void gw_resolve_cancel(struct gw_resolve *resolve)
{
    gw_list_remove(&resolve->node);
    gw_defer_cancel(&resolve->refused);
    gw_free(resolve);
}

/* ── rules ── */

/* What is remembered may be otherwise by other rules; the last good answers stay. */
static void doubt_names(struct gw_resolver *resolver)
{
    GW_LIST_EACH(&resolver->names, node)
        container_of(node, struct gw_name, node)->expires_us = 0;
}

bool gw_resolver_set_rules(struct gw_loop *loop, const struct gw_resolver_rules *rules)
{
    struct gw_resolver *resolver = resolver_of(loop);
    struct gw_kept_rules kept;

    if (!gw_kept_rules_copy(&kept, rules))
        return false;
    bool same = gw_kept_rules_equal(&kept, &resolver->rules);

    if (same || !gw_dns_set_servers(resolver->dns, &rules->servers)) {
        gw_kept_rules_deinit(&kept);
        return same;
    }
    gw_kept_rules_deinit(&resolver->rules);
    resolver->rules = kept;
    doubt_names(resolver);
    return true;
}

bool gw_resolver_set_servers(struct gw_loop *loop, const char *servers)
{
    const struct gw_resolver_rules rules = { .servers.list = gw_slice_from(servers) };

    return rules.servers.list.len > 0 && gw_resolver_set_rules(loop, &rules);
}

struct gw_dns *gw_resolver_dns(struct gw_loop *loop)
{
    return resolver_of(loop)->dns;
}

uint64_t gw_resolver_ttl_us(struct gw_loop *loop, uint32_t ttl_s)
{
    return gw_kept_rules_ttl_us(&resolver_of(loop)->rules, ttl_s);
}

void gw_resolver_free(struct gw_resolver *resolver)
{
    struct gw_list_node *node;

    gw_dns_close(resolver->dns);
    while ((node = gw_list_first(&resolver->names))) {
        struct gw_name *name = container_of(node, struct gw_name, node);

        GW_ASSERT(gw_list_empty(&name->waiting) && gw_list_empty(&name->ready)); /* whoever asked
                                                                                   has cancelled */
        free_name(name);
    }
    gw_map_deinit(&resolver->by_text);
    gw_kept_rules_deinit(&resolver->rules);
    gw_free(resolver);
}
