#include "net/tls_context.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "net/tls_pem_private.h"
#include "net/tls_resume.h"
#include "net/tls_suites_private.h"

#include <openssl/err.h>
#include <stdio.h>

bool gw_tls_refuse(char *why, size_t why_size, struct gw_slice label, const char *what)
{
    const char *detail = ERR_reason_error_string(ERR_peek_last_error());

    snprintf(why, why_size, "tls: %.*s: %s%s%s%s", GW_SLICE_ARG(label), what, detail ? " (" : "",
             detail ? detail : "", detail ? ")" : "");
    ERR_clear_error();
    return false;
}

/* ── what clients ask for ── */

/* Tells clients that the name was understood. */
static int on_name(SSL *ssl, int *alert, void *ctx)
{
    (void)alert;
    (void)ctx;
    return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
                                                              : SSL_TLSEXT_ERR_NOACK;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *ctx)
{
    static const unsigned char protocols[] = "\x02h2\x08http/1.1";
    const struct gw_tls_context *context = ctx;
    size_t skip = context->http2 ? 0 : 3;
    unsigned char *chosen = NULL;

    (void)ssl;
    if (SSL_select_next_proto(&chosen, out_len, protocols + skip,
                              (unsigned)(sizeof(protocols) - 1 - skip), in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int on_status(SSL *ssl, void *ctx)
{
    const struct gw_tls_context *context = ctx;
    unsigned char *copy = context->ocsp ? OPENSSL_memdup(context->ocsp, context->ocsp_len) : NULL;

    if (!copy)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)context->ocsp_len);
    return SSL_TLSEXT_ERR_OK;
}

/* ── making ── */

static bool use_pair(SSL_CTX *ctx, const struct gw_tls_pair *pair)
{
    bool encrypted;
    STACK_OF(X509) *chain = gw_tls_read_certificates(pair->cert.ptr, pair->cert.len);
    EVP_PKEY *key = gw_tls_read_key(pair->key.ptr, pair->key.len, &encrypted);
    X509 *first = chain ? sk_X509_shift(chain) : NULL;
    bool good = first && key && SSL_CTX_use_cert_and_key(ctx, first, key, chain, 1) == 1;

    X509_free(first);
    sk_X509_pop_free(chain, X509_free);
    EVP_PKEY_free(key);
    return good;
}

static void set_manners(SSL_CTX *ctx, bool tls13_only)
{
    SSL_CTX_set_min_proto_version(ctx, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void set_answers(struct gw_tls_context *context)
{
    SSL_CTX_set_tlsext_servername_callback(context->ctx, on_name);
    SSL_CTX_set_alpn_select_cb(context->ctx, on_alpn, context);
    SSL_CTX_set_tlsext_status_cb(context->ctx, on_status);
    SSL_CTX_set_tlsext_status_arg(context->ctx, context);
}

bool gw_tls_context_init(struct gw_tls_context *context, const struct gw_tls_identity *given,
                         const struct gw_tls_server_options *options, char *why, size_t why_size)
{
    SSL_CTX *ctx = context->ctx = GW_FAULT_NULL(TLS_CONTEXT, SSL_CTX_new(TLS_server_method()));

    context->http2 = options->http2;
    if (!ctx)
        return gw_tls_refuse(why, why_size, given->label, "there is no memory for it");
    set_manners(ctx, options->tls13_only);
    set_answers(context);
    gw_tls_resume_set(ctx, options->tickets);
    if (SSL_CTX_set_cipher_list(ctx, GW_TLS_CIPHERS_12) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, GW_TLS_CIPHERS_13) != 1 ||
        SSL_CTX_set1_groups_list(ctx, GW_TLS_GROUPS) != 1 ||
        SSL_CTX_set1_sigalgs_list(ctx, GW_TLS_SIGNATURES) != 1)
        return gw_tls_refuse(why, why_size, given->label,
                             "the library does not know our cipher suites");
    for (unsigned i = 0; i < given->pair_count; i++)
        if (!use_pair(ctx, &given->pairs[i]))
            return gw_tls_refuse(why, why_size, given->label, "certificate and key cannot be used");
    if (given->ocsp.len) {
        context->ocsp = gw_alloc(given->ocsp.len);
        memcpy(context->ocsp, given->ocsp.ptr, given->ocsp.len);
        context->ocsp_len = given->ocsp.len;
    }
    return true;
}

void gw_tls_context_deinit(struct gw_tls_context *context)
{
    SSL_CTX_free(context->ctx);
    gw_free(context->ocsp);
}
