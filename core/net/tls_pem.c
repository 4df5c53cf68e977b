#include "net/tls_pem.h"

#include "net/tls_pem_private.h"

#include <limits.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static _Thread_local char problem[256];

static const char *say(const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *detail = error ? ERR_reason_error_string(error) : NULL;

    if (detail)
        snprintf(problem, sizeof(problem), "%s (%s)", what, detail);
    else
        snprintf(problem, sizeof(problem), "%s", what);
    ERR_clear_error();
    return problem;
}

static BIO *bio_of(const char *text, size_t len)
{
    ERR_clear_error();
    return BIO_new_mem_buf(text, len > INT_MAX ? INT_MAX : (int)len);
}

/* No one is there to type it. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    (void)buf;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* Whether reading ended because no further block is there. */
static bool is_over(void)
{
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* ── reading ── */

STACK_OF(X509) * gw_tls_read_certificates(const char *pem, size_t len)
{
    STACK_OF(X509) *all = sk_X509_new_null();
    BIO *bio = bio_of(pem, len);
    X509 *one;

    while ((one = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(all, one);
    BIO_free(bio);
    if (sk_X509_num(all) > 0 && is_over()) {
        ERR_clear_error();
        return all;
    }
    sk_X509_pop_free(all, X509_free);
    return NULL;
}

STACK_OF(X509_CRL) * gw_tls_read_crls(const char *pem, size_t len)
{
    STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
    BIO *bio = bio_of(pem, len);
    X509_CRL *one;

    while ((one = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)))
        sk_X509_CRL_push(all, one);
    BIO_free(bio);
    if (sk_X509_CRL_num(all) > 0 && is_over()) {
        ERR_clear_error();
        return all;
    }
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return NULL;
}

EVP_PKEY *gw_tls_read_key(const char *pem, size_t len, bool *encrypted)
{
    BIO *bio = bio_of(pem, len);
    EVP_PKEY *key;

    *encrypted = false;
    key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, encrypted);
    BIO_free(bio);
    return key;
}

/* ── checks ── */

const char *gw_tls_check_chain(const char *pem, size_t len)
{
    STACK_OF(X509) *chain = gw_tls_read_certificates(pem, len);

    if (!chain)
        return say("holds no certificate in PEM form that can be read");
    sk_X509_pop_free(chain, X509_free);
    return NULL;
}

const char *gw_tls_check_ca(const char *pem, size_t len)
{
    return gw_tls_check_chain(pem, len);
}

const char *gw_tls_check_crl(const char *pem, size_t len)
{
    STACK_OF(X509_CRL) *crls = gw_tls_read_crls(pem, len);

    if (!crls)
        return say("holds no certificate revocation list in PEM form that can be read");
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    return NULL;
}

const char *gw_tls_check_key(const char *pem, size_t len)
{
    bool encrypted;
    EVP_PKEY *key = gw_tls_read_key(pem, len, &encrypted);

    if (key) {
        EVP_PKEY_free(key);
        return NULL;
    }
    ERR_clear_error(); /* which may quote it */
    return encrypted ? "is protected by a passphrase, and nobody is there to type it: "
                       "openssl pkey -in KEY -out PLAIN takes it away"
                     : "holds no private key in PEM form that can be read";
}

/* Whether the library takes them, which knows keys that are too small and signatures of
 * yesterday. */
static const char *try_pair(STACK_OF(X509) * chain, EVP_PKEY *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    X509 *first = sk_X509_shift(chain);
    bool good = !ctx || SSL_CTX_use_cert_and_key(ctx, first, key, chain, 1) == 1;
    const char *why = good ? NULL : say("cannot be used with its certificate");

    X509_free(first);
    SSL_CTX_free(ctx);
    return why;
}

const char *gw_tls_check_pair(const char *chain, size_t chain_len, const char *key, size_t key_len)
{
    bool encrypted;
    STACK_OF(X509) *certificates = gw_tls_read_certificates(chain, chain_len);
    EVP_PKEY *private = gw_tls_read_key(key, key_len, &encrypted);
    const char *why = "does not belong to the certificate";

    if (certificates && private &&
        X509_check_private_key(sk_X509_value(certificates, 0), private) == 1)
        why = try_pair(certificates, private);
    sk_X509_pop_free(certificates, X509_free);
    EVP_PKEY_free(private);
    ERR_clear_error();
    return why;
}

const char *gw_tls_check_digest(const char *pem, size_t len, const char *digest, size_t digest_len)
{
    STACK_OF(X509) *all = gw_tls_read_certificates(pem, len);
    unsigned char made[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1] = "";
    unsigned made_len = 0;

    if (!all)
        return say("holds no certificate in PEM form that can be read");
    X509_digest(sk_X509_value(all, 0), EVP_sha256(), made, &made_len);
    sk_X509_pop_free(all, X509_free);
    for (unsigned i = 0; i < made_len; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", made[i]);
    if (digest_len == strlen(hex) && strncasecmp(digest, hex, digest_len) == 0)
        return NULL;
    snprintf(problem, sizeof(problem), "is not that of the certificate, which is %s", hex);
    return problem;
}

const char *gw_tls_check_ocsp(const char *der, size_t len)
{
    const unsigned char *at = (const unsigned char *)der;
    OCSP_RESPONSE *response;

    ERR_clear_error();
    response = d2i_OCSP_RESPONSE(NULL, &at, len > LONG_MAX ? LONG_MAX : (long)len);
    if (!response)
        return say("holds no OCSP response in DER form");

    bool good = OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL;

    OCSP_RESPONSE_free(response);
    return good ? NULL : "holds an OCSP response that says there is no answer";
}

/* ── facts ── */

static X509 *first_of(const char *pem, size_t len)
{
    BIO *bio = bio_of(pem, len);
    X509 *one = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    BIO_free(bio);
    ERR_clear_error();
    return one;
}

bool gw_tls_same_kind(const char *one, size_t one_len, const char *other, size_t other_len)
{
    X509 *a = first_of(one, one_len);
    X509 *b = first_of(other, other_len);
    bool same =
        a && b &&
        EVP_PKEY_get_base_id(X509_get0_pubkey(a)) == EVP_PKEY_get_base_id(X509_get0_pubkey(b));

    X509_free(a);
    X509_free(b);
    return same;
}

int64_t gw_tls_seconds(const ASN1_TIME *time)
{
    struct tm parts;

    return ASN1_TIME_to_tm(time, &parts) ? timegm(&parts) : 0;
}

void gw_tls_validity(const char *pem, size_t len, struct gw_tls_validity *validity)
{
    X509 *one = first_of(pem, len);

    *validity = (struct gw_tls_validity){ 0 };
    if (!one)
        return;
    validity->from = gw_tls_seconds(X509_get0_notBefore(one));
    validity->until = gw_tls_seconds(X509_get0_notAfter(one));
    X509_free(one);
}

int64_t gw_tls_list_until(const char *pem, size_t len)
{
    STACK_OF(X509_CRL) *all = gw_tls_read_crls(pem, len);
    int64_t first = 0;

    for (int i = 0; all && i < sk_X509_CRL_num(all); i++) {
        const ASN1_TIME *next = X509_CRL_get0_nextUpdate(sk_X509_CRL_value(all, i));
        int64_t at = next ? gw_tls_seconds(next) : 0;

        first = at && (!first || at < first) ? at : first;
    }
    sk_X509_CRL_pop_free(all, X509_CRL_free);
    return first;
}
