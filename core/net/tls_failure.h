#pragma once
/* Why TLS failed, by what OpenSSL says of it. */
#include "net/tls.h"

/* Of its error code. */
enum gw_tls_failure gw_tls_failure_of(unsigned long error);

/* What a client found wrong with the server's certificate: X509_V_ERR_... */
enum gw_tls_failure gw_tls_failure_of_verify(long result);
