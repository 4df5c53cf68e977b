#pragma once
/* c-ares on a loop: one question at a time goes in, addresses come out. What is remembered of them
 * is resolver.c's. */
#include "net/addr.h"
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
    struct gw_addr *addrs; /* borrowed for the call */
};

/* May come before gw_dns_ask() returned. Not called any more from gw_dns_close() on. */
typedef void (*gw_dns_cb)(void *ctx, const struct gw_dns_answer *answer);

/* `max` addresses are kept of each answer. */
struct gw_dns *gw_dns_new(struct gw_loop *loop, unsigned max);

/* A and AAAA of a name, /etc/hosts first. */
void gw_dns_ask(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx);

/* "ip:port,ip". False when malformed, or while a question is on its way. */
bool gw_dns_set_servers(struct gw_dns *dns, struct gw_slice servers);

/* Questions on their way are forgotten; frees itself in the last close callback. */
void gw_dns_close(struct gw_dns *dns);
