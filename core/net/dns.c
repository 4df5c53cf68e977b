/* Questions for c-ares and what comes of them: addresses through its own reader, services through
 * dns_srv.c. */
#include "net/dns.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "net/dns_private.h"

#define CLASS_IN 1
#define TYPE_SRV 33

struct dns_question {
    struct gw_dns *dns;
    gw_dns_cb done;
    void *ctx;
    bool services;
    char name[];
};

/* ── answers ── */

static enum gw_dns_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return GW_DNS_FOUND;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return GW_DNS_NO_SUCH_NAME;
    }
    return GW_DNS_FAILED;
}

static bool copy_addr(struct gw_addr *addr, const struct ares_addrinfo_node *from)
{
    bool known = from->ai_family == AF_INET || from->ai_family == AF_INET6;

    if (!known || from->ai_addrlen > sizeof(addr->sa))
        return false;
    *addr = (struct gw_addr){ .len = from->ai_addrlen };
    memcpy(&addr->sa, from->ai_addr, from->ai_addrlen);
    return true;
}

static uint32_t shortest_ttl(const struct ares_addrinfo *info)
{
    int ttl_s = INT32_MAX;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
    for (const struct ares_addrinfo_cname *name = info->cnames; name; name = name->next)
        ttl_s = name->ttl < ttl_s ? name->ttl : ttl_s;
    return ttl_s < 0 ? 0 : (uint32_t)ttl_s;
}

static void copy_addrs(struct gw_dns_answer *answer, unsigned max, const struct ares_addrinfo *info)
{
    unsigned count = 0;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        count++;
    answer->addrs = gw_alloc((count < max ? count : max) * sizeof(*answer->addrs) + 1);
    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        if (answer->count < max && copy_addr(&answer->addrs[answer->count], node))
            answer->count++;
    answer->ttl_s = shortest_ttl(info);
}

static void ask(struct dns_question *question);

/* The end of a question; true when it goes on with another channel instead. */
static bool asked_again(struct dns_question *question, int status)
{
    if (status != ARES_EDESTRUCTION || question->dns->closing || !question->dns->channel)
        return false;
    ask(question);
    return true;
}

static void finish(struct dns_question *question, struct gw_dns_answer *answer)
{
    if (answer->outcome == GW_DNS_FOUND && answer->count == 0)
        answer->outcome = GW_DNS_NO_SUCH_NAME;
    if (GW_FAULT(DNS_ANSWER)) {
        answer->outcome = GW_DNS_FAILED;
        answer->count = 0;
    }
    if (!question->dns->closing)
        question->done(question->ctx, answer);
    else if (question->services)
        question->done(question->ctx, NULL);
    gw_free(answer->addrs);
    gw_free(answer->srvs);
    gw_free(question);
}

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_question *question = arg;
    struct gw_dns_answer answer = { .outcome = outcome_of(status) };
    (void)timeouts;

    if (!asked_again(question, status)) {
        if (answer.outcome == GW_DNS_FOUND && info)
            copy_addrs(&answer, question->dns->max, info);
        finish(question, &answer);
    }
    if (info)
        ares_freeaddrinfo(info);
}

static void on_services(void *arg, int status, int timeouts, unsigned char *bytes, int size)
{
    struct dns_question *question = arg;
    struct gw_dns_answer answer = { .outcome = outcome_of(status) };
    struct gw_srv_list list;
    (void)timeouts;

    if (asked_again(question, status))
        return;
    if (answer.outcome == GW_DNS_FOUND) {
        if (gw_srv_read(gw_slice((const char *)bytes, (size_t)size), question->dns->max, &list)) {
            answer.srvs = list.items;
            answer.count = list.count;
            answer.ttl_s = list.ttl_s;
        } else {
            answer.outcome = GW_DNS_FAILED;
        }
    }
    finish(question, &answer);
}

/* ── questions ── */

static void ask(struct dns_question *question)
{
    struct gw_dns *dns = question->dns;
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NOSORT, /* sorting connects a socket for each address */
    };

    if (question->services)
        ares_search(dns->channel, question->name, CLASS_IN, TYPE_SRV, on_services, question);
    else
        ares_getaddrinfo(dns->channel, question->name, NULL, &hints, on_addresses, question);
    gw_dns_set_timer(dns);
}

static void begin(struct gw_dns *dns, const char *name, bool services, gw_dns_cb done, void *ctx)
{
    size_t len = strlen(name);

    gw_dns_prepare(dns);
    if (!dns->channel) {
        done(ctx, &(struct gw_dns_answer){ .outcome = GW_DNS_FAILED });
        return;
    }
    struct dns_question *question = gw_alloc(sizeof(*question) + len + 1);

    *question = (struct dns_question){ .dns = dns, .done = done, .ctx = ctx, .services = services };
    memcpy(question->name, name, len + 1);
    ask(question);
}

void gw_dns_ask(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx)
{
    begin(dns, name, false, done, ctx);
}

void gw_dns_ask_services(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx)
{
    begin(dns, name, true, done, ctx);
}
