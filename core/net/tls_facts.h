#pragma once
/* What is known of a client's TLS, counted: requests keep it for their log, where the connection
 * may be gone already. On one thread. */
#include "base/slice.h"

typedef struct x509_st X509; /* of OpenSSL */

struct gw_tls;
struct gw_tls_policy;
struct gw_tls_server;

/* What the client showed of itself. */
enum gw_tls_shown {
    GW_TLS_SHOWN_NOTHING,
    GW_TLS_SHOWN_BAD, /* a certificate that was not accepted: gw_tls_facts_problem() */
    GW_TLS_SHOWN_GOOD,
};

struct gw_tls_facts {
    unsigned refs;
    bool complete; /* what follows is filled in: the handshake is done */
    bool resumed;
    enum gw_tls_shown shown;
    long verdict;                       /* X509_V_… */
    const char *version;                /* "TLSv1.3"; static */
    const char *cipher;                 /* "TLS_AES_128_GCM_SHA256"; static */
    const char *protocol;               /* "h2", "http/1.1" (ALPN), or ""; static */
    struct gw_slice name;               /* what it asked for: lower case; empty: nothing; owned */
    X509 *certificate;                  /* what it showed; NULL: nothing; one reference */
    struct gw_tls_server *server;       /* one reference */
    const struct gw_tls_policy *policy; /* of the name */
};

/* Of the engine of a server, after its handshake; borrowed from it. NULL: of another engine. */
struct gw_tls_facts *gw_tls_facts(const struct gw_tls *tls);

struct gw_tls_facts *gw_tls_facts_ref(struct gw_tls_facts *facts);
void gw_tls_facts_unref(struct gw_tls_facts *facts); /* NULL is fine */

/* Whether a request for that host (lower case, without port) may come over a connection that was
 * made for another name: what is asked of clients is the same for both (RFC 9110 15.5.20). */
bool gw_tls_facts_cover(const struct gw_tls_facts *facts, struct gw_slice host);

/* Whether it showed a certificate that counts under that trust (gw_tls_trust()); NULL: whatever its
 * listener trusts. */
bool gw_tls_facts_trusted(const struct gw_tls_facts *facts, const unsigned char *trust);

/* Why a client that needs a certificate has none that counts, in words that it may read itself:
 * nothing of whom we trust. Static text. */
const char *gw_tls_facts_refused(const struct gw_tls_facts *facts);

/* Why what it showed was not accepted; static text, for people. */
const char *gw_tls_facts_problem(const struct gw_tls_facts *facts);
