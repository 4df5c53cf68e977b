#pragma once
/* What dns.c (questions and answers) and dns_channel.c (c-ares' sockets, timer and servers)
 * share. */
#include "base/list.h"
#include "net/dns.h"

#include <ares.h>

#define GW_DNS_SERVERS_MAX 8

/* By what it is known that a file is not the one that was read. */
struct file_mark {
    uint64_t inode;
    int64_t size, changed_s, changed_ns;
};

/* c-ares works on its own sockets and by the real clock, also where the loop's clock is virtual. */
struct gw_dns {
    struct gw_loop *loop;
    ares_channel channel; /* made at the first question; NULL then: c-ares does not start, every
                             question fails */
    struct ares_addr_port_node servers[GW_DNS_SERVERS_MAX];
    unsigned server_count; /* 0: resolv.conf's */
    unsigned timeout_ms, tries;
    uint16_t port; /* of resolv.conf's servers */
    const char *resolv_conf;
    struct file_mark read; /* of resolv.conf as the channel knows it */
    uv_timer_t timer;
    struct gw_list sockets;
    unsigned open_handles; /* freed when the last one is closed */
    unsigned max;
    bool closing;
};

/* Brings up the channel, or a new one where resolv.conf changed. Not from one of its callbacks. */
void gw_dns_prepare(struct gw_dns *dns);

/* To be called after everything that went into c-ares. */
void gw_dns_set_timer(struct gw_dns *dns);
