#pragma once
/* OpenSSL's objects out of PEM text, for tls_server.c and tls_pem.c. */
#ifndef GW_CDEF
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* All blocks; owned; NULL without one or when one cannot be read. */
STACK_OF(X509) * gw_tls_read_certificates(const char *pem, size_t len);
STACK_OF(X509_CRL) * gw_tls_read_crls(const char *pem, size_t len);

/* Owned; NULL when it cannot be read. */
EVP_PKEY *gw_tls_read_key(const char *pem, size_t len, bool *encrypted);

int64_t gw_tls_seconds(const ASN1_TIME *time); /* since 1970; 0: not readable */
#endif
