#pragma once
/* Addresses of connections, as sets of networks know them. */
#include "config/config.h"
#include "net/addr.h"

/* False for the set that is NULL, and for what no set can hold. */
bool gw_peer_in(const struct gw_cidr_set *set, const struct gw_addr *addr);
