#pragma once
/* The context of one certificate: what is spoken with it. For net/tls_*.c. */
#include "net/tls_server.h"

#include <openssl/ssl.h>

struct gw_tls_context {
    SSL_CTX *ctx;
    bool http2;
    unsigned char *ocsp; /* NULL: none */
    size_t ocsp_len;
};

/* False: why, in words for the operator; to be deinitialised all the same. The context points to
 * `context`, which stays where it is. */
bool gw_tls_context_init(struct gw_tls_context *context, const struct gw_tls_identity *given,
                         const struct gw_tls_server_options *options, char *why, size_t why_size);
void gw_tls_context_deinit(struct gw_tls_context *context);

/* Says what went wrong, and what OpenSSL says of it; returns false. */
bool gw_tls_refuse(char *why, size_t why_size, struct gw_slice label, const char *what);
