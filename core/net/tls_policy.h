#pragma once
/* What is asked of clients that ask for some name: whether they show a certificate, and whose
 * signature counts; the part of net/tls_server.h that says who may come. For net/tls_*.c. */
#include "net/tls_server.h"

#include <openssl/ssl.h>

struct gw_tls_policy {
    enum gw_tls_client_mode mode;
    X509_STORE *store; /* NULL: nobody is asked */
    STACK_OF(X509_NAME) * names;
    int depth;
    unsigned char trust[GW_TLS_TRUST_SIZE];   /* of CA, CRL and depth */
    unsigned char id[SSL_MAX_SID_CTX_LENGTH]; /* what sessions are bound to */
};

/* False: why, in words for the operator; to be deinitialised all the same. */
bool gw_tls_policy_init(struct gw_tls_policy *policy, const struct gw_tls_clients *given, char *why,
                        size_t why_size);
void gw_tls_policy_deinit(struct gw_tls_policy *policy);

/* From now on it holds for that connection. */
void gw_tls_policy_apply(const struct gw_tls_policy *policy, SSL *ssl);

/* A session that was made under the one may be used where the other holds. */
bool gw_tls_policy_same(const struct gw_tls_policy *one, const struct gw_tls_policy *other);
