#pragma once
/* Whom the system trusts: the file of CA certificates that the distribution keeps. A file and no
 * folder: a folder would be searched while the handshake waits. */
#include "base/slice.h"
#ifndef GW_CDEF
#include <openssl/x509.h>

struct gw_tls_trust {
    X509_STORE *store;      /* owned; empty where there is no file */
    struct gw_slice digest; /* of what it was made of; owned */
};

void gw_tls_trust_read(struct gw_tls_trust *trust);
void gw_tls_trust_deinit(struct gw_tls_trust *trust);
#endif
