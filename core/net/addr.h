#pragma once
/* Socket addresses: "127.0.0.1:80", "[::1]:80", "unix:/run/x.sock". Strict: no names, no 010.0.0.1,
 * no zone ids. */
#include "base/error.h"
#include "base/slice.h"

#ifndef GW_CDEF
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct gw_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    } sa;
    socklen_t len; /* 0: none */
};
#endif

struct gw_addr;

#define GW_ADDR_TEXT_MAX 120

/* With a port, which an IP address needs. False when it is not one. */
bool gw_addr_parse(struct gw_addr *addr, struct gw_slice text);

/* Decimal digits alone, without leading zeros. */
bool gw_addr_parse_port(struct gw_slice text, uint16_t *port);

/* An IP address alone; the port becomes `port`. Brackets around an IPv6 address are fine. */
bool gw_addr_parse_ip(struct gw_addr *addr, struct gw_slice ip, uint16_t port);

/* "ip:port", "[ip]:port", "unix:path". Returns the length. */
size_t gw_addr_format(const struct gw_addr *addr, char out[GW_ADDR_TEXT_MAX]);

/* The IP alone, without brackets; a v4-mapped address as IPv4. "unix:" for a unix socket. */
size_t gw_addr_format_ip(const struct gw_addr *addr, char out[GW_ADDR_TEXT_MAX]);

/* The bytes of an IP address; returns 4 or 16, 0 for a unix socket. */
size_t gw_addr_ip_bytes(const struct gw_addr *addr, unsigned char out[16]);

uint16_t gw_addr_port(const struct gw_addr *addr);
bool gw_addr_equal(const struct gw_addr *a, const struct gw_addr *b);
