#include "net/locate.h"

#include "base/alloc.h"
#include "base/check.h"
#include "net/resolver.h"

#define PLACES_MAX 1024         /* what comes beyond is cut */
#define AT_ONCE_MAX 32          /* hosts that are asked for at the same time */
#define HOST_TTL_MIN_US 5000000 /* of many hosts there is always one that is due soon */

/* One record's host. */
struct host {
    struct gw_locate *locate;
    const struct gw_srv *srv;
    struct gw_resolve *resolve;
};

/* The question for the records cannot be taken back: it outlives who asked. */
struct asked {
    struct gw_locate *locate;    /* NULL: cancelled */
    struct gw_dns_answer answer; /* its records are owned */
    struct gw_defer defer;
};

struct gw_locate {
    struct gw_loop *loop;
    gw_locate_cb done;
    void *ctx;
    struct asked *asked; /* NULL once the records are there */
    struct gw_dns_answer answer;
    struct host *hosts;       /* one a record */
    unsigned next, under_way; /* the next one to be asked for; those that are */
    unsigned failed;          /* whose server failed */
    struct gw_place *places;
    unsigned count, room;
    uint64_t ttl_us;
    bool stale;
};

static void free_locate(struct gw_locate *locate)
{
    gw_free(locate->answer.srvs);
    gw_free(locate->hosts);
    gw_free(locate->places);
    gw_free(locate);
}

static void finish(struct gw_locate *locate)
{
    struct gw_located answer = {
        .count = locate->count,
        .ttl_us = locate->ttl_us,
        .stale = locate->stale || locate->failed > 0 || locate->answer.outcome == GW_DNS_FAILED,
        .places = locate->places,
    };

    answer.gone = !answer.stale && locate->count == 0;
    locate->done(locate->ctx, &answer, locate->count ? GW_OK : GW_E_RESOLVE);
    free_locate(locate);
}

/* ── the hosts ── */

static void ask_hosts(struct gw_locate *locate);

static void add_place(struct gw_locate *locate, const struct gw_srv *srv,
                      const struct gw_addr *addr)
{
    if (locate->count == PLACES_MAX)
        return;
    if (locate->count == locate->room) {
        locate->room = locate->room ? locate->room * 2 : 16;
        locate->places = gw_realloc(locate->places, locate->room * sizeof(*locate->places));
    }
    locate->places[locate->count++] = (struct gw_place){
        .addr = *addr, .weight = srv->weight, .priority = srv->priority, .host = srv->host
    };
}

static void expire_with(struct gw_locate *locate, uint64_t ttl_us)
{
    if (ttl_us < HOST_TTL_MIN_US)
        ttl_us = HOST_TTL_MIN_US;
    if (ttl_us < locate->ttl_us)
        locate->ttl_us = ttl_us;
}

static void on_host(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct host *host = ctx;
    struct gw_locate *locate = host->locate;

    host->resolve = NULL;
    locate->under_way--;
    for (unsigned i = 0; i < answer->count; i++)
        add_place(locate, host->srv, &answer->addrs[i]);
    if (error && !answer->gone)
        locate->failed++;
    locate->stale |= answer->stale;
    if (!error)
        expire_with(locate, (uint64_t)answer->ttl_ms * 1000);
    ask_hosts(locate);
}

static void ask_hosts(struct gw_locate *locate)
{
    while (locate->next < locate->answer.count && locate->under_way < AT_ONCE_MAX) {
        struct host *host = &locate->hosts[locate->next];

        host->locate = locate;
        host->srv = &locate->answer.srvs[locate->next++];
        locate->under_way++;
        host->resolve =
            gw_resolve_start(locate->loop, host->srv->host, host->srv->port, on_host, host);
    }
    if (locate->under_way == 0)
        finish(locate);
}

/* ── the records ── */

static void take_records(struct gw_defer *defer)
{
    struct asked *asked = container_of(defer, struct asked, defer);
    struct gw_locate *locate = asked->locate;

    locate->asked = NULL;
    locate->answer = asked->answer;
    gw_free(asked);
    locate->hosts = gw_alloc_zero((locate->answer.count + 1) * sizeof(*locate->hosts));
    locate->ttl_us = gw_resolver_ttl_us(locate->loop, locate->answer.ttl_s);
    ask_hosts(locate);
}

static void on_records(void *ctx, const struct gw_dns_answer *answer)
{
    struct asked *asked = ctx;

    if (!asked->locate || !answer) {
        GW_ASSERT(!asked->locate); /* whoever asked has cancelled before the loop ends */
        gw_free(asked);
        return;
    }
    size_t size = answer->count * sizeof(*answer->srvs);

    asked->answer = *answer;
    asked->answer.srvs = NULL;
    if (size) {
        asked->answer.srvs = gw_alloc(size);
        memcpy(asked->answer.srvs, answer->srvs, size);
    }
    gw_loop_defer(asked->locate->loop, &asked->defer, take_records);
}

struct gw_locate *gw_locate_start(struct gw_loop *loop, const char *name, gw_locate_cb done,
                                  void *ctx)
{
    struct gw_locate *locate = gw_alloc_zero(sizeof(*locate));

    locate->loop = loop;
    locate->done = done;
    locate->ctx = ctx;
    locate->asked = gw_alloc_zero(sizeof(*locate->asked));
    locate->asked->locate = locate;
    gw_dns_ask_services(gw_resolver_dns(loop), name, on_records, locate->asked);
    return locate;
}

void gw_locate_cancel(struct gw_locate *locate)
{
    for (unsigned i = 0; i < locate->next; i++)
        if (locate->hosts[i].resolve)
            gw_resolve_cancel(locate->hosts[i].resolve);
    if (locate->asked && gw_list_linked(&locate->asked->defer.node)) {
        gw_defer_cancel(&locate->asked->defer);
        gw_free(locate->asked->answer.srvs);
        gw_free(locate->asked);
    } else if (locate->asked) {
        locate->asked->locate = NULL;
    }
    free_locate(locate);
}
