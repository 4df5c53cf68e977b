#pragma once
/* What changes between one hop and the next (RFC 9110 7.6): hop-by-hop fields go, Via and
 * X-Forwarded-* come. Framing fields never get here: codecs keep them. */
#include "http/head.h"

/* Takes out what `Connection: a, b` names (called by the codec's reader, so it never meets a field
 * the gateway sets later). Protected are fields the gateway or an upstream decides by
 * (authorization, cookie, content-*, x-forwarded-* …): naming them is an attack on whoever put them
 * there, so they stay. False when the list is longer than any honest one (32). */
bool gw_hop_remove_named(struct gw_fields *fields, struct gw_slice connection);

/* Takes out hop-by-hop fields (Proxy-Connection, Proxy-Authorization, TE, Keep-Alive), "Proxy"
 * (HTTPoxy), and what only the gateway may say: identity (X-Consumer-*, X-Credential-*,
 * X-Authenticated-*, X-Anonymous-Consumer) in any spelling, and X-Forwarded-*, X-Real-IP, Forwarded
 * spelled with "_" or "." for "-" or with dashes at the end. For a request as it came, before any
 * hook may add such fields. A Trailer field is kept: it is a promise to the end. */
void gw_hop_clean_request(struct gw_fields *fields);

/* Takes out Proxy-Connection, Proxy-Authenticate, Keep-Alive. */
void gw_hop_clean_response(struct gw_fields *fields);

/* For a message whose body something on the way may change. Digests of the bytes go; of a response
 * Accept-Ranges goes too, and a strong ETag becomes a weak one (or goes, where it is none). A
 * request that wants such an answer must ask for all of it: Range and If-Range count bytes of
 * another body. */
void gw_hop_forget_digests(struct gw_fields *fields);
void gw_hop_loosen_body(struct gw_fields *response, struct gw_arena *arena);
void gw_hop_ask_for_whole(struct gw_fields *request);

struct gw_forwarded {
    struct gw_slice client_ip; /* the peer's address, as text */
    struct gw_slice scheme;    /* how the client reached us */
    struct gw_slice authority;
    uint16_t port; /* our own port */
    /* the peer is one of trusted_proxies: its X-Forwarded-* are kept and extended */
    bool peer_trusted;
    bool rfc7239; /* say it as Forwarded, too */
};

/* X-Forwarded-For/-Proto/-Host/-Port, X-Real-IP, as Kong sets them, and Forwarded (RFC 7239). An
 * untrusted peer's own (all of X-Forwarded-*, X-Real-IP and Forwarded) are taken out first. Values
 * live in the arena. */
void gw_hop_set_forwarded(struct gw_fields *fields, struct gw_arena *arena,
                          const struct gw_forwarded *forwarded);

/* Appends "1.1 moongate" to Via (RFC 9110 7.6.3); `version` is that of the message as received: 10,
 * 11, 20. */
void gw_hop_set_via(struct gw_fields *fields, struct gw_arena *arena, int version);
