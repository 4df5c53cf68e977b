#pragma once
/* The PROXY protocol (haproxy.org/download/2.6/doc/proxy-protocol.txt), versions 1 and 2: what a
 * load balancer says in front of the first byte of a connection about who made it. Bytes in, a
 * struct out, and back; no I/O. */
#include "net/addr.h"

/* A header that is longer is refused: nobody's extensions need more, and it is kept until whole. */
#define GW_PROXY_PROTOCOL_MAX 4096

#define GW_PROXY_PROTOCOL_WRITE_MAX 107 /* bytes that gw_proxy_protocol_write() makes */

enum gw_proxy_protocol_result {
    GW_PROXY_PROTOCOL_MORE,  /* a beginning of a header: call again with more of it */
    GW_PROXY_PROTOCOL_WHOLE, /* `header` is filled; its first `len` bytes are the header */
    GW_PROXY_PROTOCOL_WRONG, /* not a header; `problem` says why */
};

struct gw_proxy_protocol {
    unsigned version; /* 1 or 2 */
    size_t len;
    /* Who connected to the load balancer, and to which address of it. Both without a length where
     * the header names none (LOCAL, UNKNOWN, UNSPEC, a unix socket): the connection's own count. */
    struct gw_addr source, destination;
    const char *problem; /* static text */
};

/* Looks at the first bytes of a connection; what follows the header is not looked at. Knows as soon
 * as the bytes say it that they are no header. Takes any bytes, keeps nothing. */
enum gw_proxy_protocol_result gw_proxy_protocol_parse(struct gw_slice bytes,
                                                      struct gw_proxy_protocol *header);

/* Writes a header of `version`. `source` NULL: the connection is our own (LOCAL); with addresses
 * that are not both IP: nobody knows (UNKNOWN, UNSPEC). Returns the length. */
size_t gw_proxy_protocol_write(unsigned version, const struct gw_addr *source,
                               const struct gw_addr *destination,
                               char out[GW_PROXY_PROTOCOL_WRITE_MAX]);
