#pragma once
/* c-ares on a loop: one question at a time goes in, addresses or services come out. What is
 * remembered of them is resolver.c's. */
#include "net/addr.h"
#include "net/dns_srv.h"
#include "net/loop.h"

struct gw_dns;

enum gw_dns_outcome {
    GW_DNS_FOUND,
    GW_DNS_NO_SUCH_NAME, /* the server said so */
    GW_DNS_FAILED,       /* no server gave an answer that could be used */
};

struct gw_dns_answer {
    enum gw_dns_outcome outcome;
    uint32_t ttl_s; /* of the shortest record */
    unsigned count;
    struct gw_addr *addrs; /* borrowed for the call; of a question for addresses */
    struct gw_srv *srvs;   /* the same, of one for services */
};

/* May come before gw_dns_ask() returned, and may not ask itself. Not called any more from
 * gw_dns_close() on. */
typedef void (*gw_dns_cb)(void *ctx, const struct gw_dns_answer *answer);

/* `max` records are kept of each answer. */
struct gw_dns *gw_dns_new(struct gw_loop *loop, unsigned max);

/* A and AAAA of a name, /etc/hosts first. */
void gw_dns_ask(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx);

/* SRV of a name. Its `done` comes in any case: with NULL from gw_dns_close(). */
void gw_dns_ask_services(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx);

/* Who is asked, and how patiently. Questions on their way are asked again. */
struct gw_dns_servers {
    struct gw_slice list; /* "ip:port,ip"; empty: as resolv.conf says, read again when it changes */
    unsigned timeout_ms;  /* of the first try; the second one waits twice as long */
    unsigned tries;
    uint16_t port;           /* of resolv.conf's servers; 0: 53 */
    const char *resolv_conf; /* NULL: the system's; outlives `dns` */
};

/* False when malformed; then nothing changes. */
bool gw_dns_set_servers(struct gw_dns *dns, const struct gw_dns_servers *servers);

/* Questions on their way are forgotten; frees itself in the last close callback. */
void gw_dns_close(struct gw_dns *dns);
