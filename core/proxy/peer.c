#include "proxy/peer.h"

#include "config/cidr.h"

bool gw_peer_in(const struct gw_cidr_set *set, const struct gw_addr *addr)
{
    struct gw_addr_bytes bytes;

    if (!set)
        return false;
    bytes.len = (unsigned)gw_addr_ip_bytes(addr, bytes.bytes);
    if (addr->len && addr->sa.any.sa_family == AF_UNIX)
        bytes.len = GW_ADDR_BYTES_UNIX;
    return bytes.len && gw_cidr_set_has(set, &bytes);
}
