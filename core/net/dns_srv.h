#pragma once
/* What a server says of a service: the SRV records of an answer (RFC 2782), read from its bytes,
 * because c-ares' own reader leaves out the TTL and does not ask whose records they are. */
#include "base/slice.h"
#include "net/host_name.h"

struct gw_srv {
    uint16_t priority, weight, port;
    char host[GW_HOST_NAME_MAX + 1]; /* normalised */
};

struct gw_srv_list {
    unsigned count;
    uint32_t ttl_s;       /* of the shortest record that counts */
    struct gw_srv *items; /* owned by the caller: gw_free() */
};

/* The records of the name that was asked for, or that it is an alias of; all others, and those
 * whose target is no host name ("." too: the service is not there), are left out. At most `max`.
 * False when the answer is malformed. */
bool gw_srv_read(struct gw_slice packet, unsigned max, struct gw_srv_list *list);
