#pragma once
/* What stands in a certificate, as text that may go into logs and headers. */
#include "base/arena.h"
#include "base/slice.h"

typedef struct x509_st X509; /* of OpenSSL */

enum gw_tls_certificate_text {
    GW_TLS_CERTIFICATE_SUBJECT, /* "CN=alice,O=Example" (RFC 4514) */
    GW_TLS_CERTIFICATE_ISSUER,
    GW_TLS_CERTIFICATE_SERIAL,      /* hexadecimal, upper case */
    GW_TLS_CERTIFICATE_FINGERPRINT, /* SHA-256 in hexadecimal */
    GW_TLS_CERTIFICATE_SHA1,        /* the same with SHA-1, for who knows it by that */
    GW_TLS_CERTIFICATE_PEM,
    GW_TLS_CERTIFICATE_DER, /* which is no text */
};

/* Lives in the arena; empty: the library cannot write it. */
struct gw_slice gw_tls_certificate_text(const X509 *certificate, enum gw_tls_certificate_text what,
                                        struct gw_arena *arena);

/* Seconds since 1970. */
int64_t gw_tls_certificate_from(const X509 *certificate);
int64_t gw_tls_certificate_until(const X509 *certificate);

/* The n-th of the subject's alternative names (0 …) that is text: *kind is "DNS", "URI", "email".
 * One that no honest authority signs (with a control byte in it) is left out. False: no more. */
bool gw_tls_certificate_name(const X509 *certificate, unsigned n, const char **kind,
                             struct gw_slice *name, struct gw_arena *arena);
