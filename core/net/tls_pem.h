#pragma once
/* Certificates and keys as PEM text: what is wrong with them, in words for the operator. Lua checks
 * configurations with it, tls_server.c makes contexts of what passed. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#endif

/* Each returns NULL, or what is wrong; the text lives until the next call of the thread. */

/* A chain: the certificate, then those that signed it. */
const char *gw_tls_check_chain(const char *pem, size_t len);
/* A key without a passphrase. Never says anything of its content. */
const char *gw_tls_check_key(const char *pem, size_t len);
/* Both are good: does the key belong to the certificate, and may they be used? */
const char *gw_tls_check_pair(const char *chain, size_t chain_len, const char *key, size_t key_len);
const char *gw_tls_check_ca(const char *pem, size_t len);  /* one certificate or several */
const char *gw_tls_check_crl(const char *pem, size_t len); /* one list or several */
/* Of the first certificate, SHA-256 in hexadecimal. */
const char *gw_tls_check_digest(const char *pem, size_t len, const char *digest, size_t digest_len);
/* DER, of the certificate or another one. */
const char *gw_tls_check_ocsp(const char *der, size_t len);

/* The same kind of key (RSA, EC) in both certificates, of which a listener can show only one. */
bool gw_tls_same_kind(const char *one, size_t one_len, const char *other, size_t other_len);

/* Whether this system has a file of certificates that it trusts. */
bool gw_tls_system_trusts(void);

/* Of the first certificate, in seconds since 1970; both 0 when it is none. */
struct gw_tls_validity {
    int64_t from, until;
};
void gw_tls_validity(const char *pem, size_t len, struct gw_tls_validity *validity);

/* When the first of these revocation lists is to be replaced; 0: none says so. */
int64_t gw_tls_list_until(const char *pem, size_t len);
