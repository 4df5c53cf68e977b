#pragma once
/* What changes between one hop and the next (RFC 9110 7.6): fields named by Connection and the standard hop-by-hop ones go, Via
 * and X-Forwarded-* come. Framing fields never get here: codecs keep them. */
#include "http/head.h"

/* Takes out hop-by-hop fields: Proxy-Connection, Proxy-Authenticate (response), Proxy-Authorization (request), TE, Trailer as a
 * promise is kept; "Proxy" (HTTPoxy) goes too. Done by the codec's reader for Connection's own list, which never names
 * a field the gateway sets later. */
void gw_hop_clean_request(struct gw_fields *fields);
void gw_hop_clean_response(struct gw_fields *fields);

struct gw_forwarded {
    struct gw_slice client_ip;   /* the peer's address, as text */
    struct gw_slice scheme;      /* how the client reached us */
    struct gw_slice authority;
    uint16_t port;               /* our own port */
    bool peer_trusted;           /* the peer is one of trusted_proxies: its X-Forwarded-* are kept and extended */
};

/* X-Forwarded-For/-Proto/-Host/-Port, X-Real-IP, by Kong's rules; an untrusted peer's own are overwritten, in all spellings
 * (underscores for dashes too). */
void gw_hop_set_forwarded(struct gw_fields *fields, struct gw_arena *arena,
                          const struct gw_forwarded *forwarded);

/* Appends "1.1 moongate" to Via. */
void gw_hop_set_via(struct gw_fields *fields, struct gw_arena *arena, int version);
