#pragma once
/* TLS sessions with servers that may be taken up again, of one thread, by what must be equal for
 * that (gw_tls_client_key()). Bounded: the key that was used longest ago goes first. A session of
 * TLS 1.3 is used once (RFC 8446 C.4), but the last one by all connections that begin before a
 * handshake with it is done: then the server has given others, and the library gives it up. */
#include "base/slice.h"

typedef struct ssl_session_st SSL_SESSION; /* of OpenSSL */

struct gw_tls_sessions;

/* For at most so many keys; the caller owns one reference. Connections on their way out may be
 * read after the pool that has it is gone. */
struct gw_tls_sessions *gw_tls_sessions_new(unsigned most);
struct gw_tls_sessions *gw_tls_sessions_ref(struct gw_tls_sessions *sessions);
void gw_tls_sessions_unref(struct gw_tls_sessions *sessions); /* NULL is fine */

/* Takes the reference over. */
void gw_tls_sessions_put(struct gw_tls_sessions *sessions, struct gw_slice key,
                         SSL_SESSION *session);

/* The newest one that is still good; one reference, the caller's. NULL: none. */
SSL_SESSION *gw_tls_sessions_take(struct gw_tls_sessions *sessions, struct gw_slice key);

unsigned gw_tls_sessions_count(const struct gw_tls_sessions *sessions); /* keys */
