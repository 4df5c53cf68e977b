#pragma once
/* What TLS needs that outlives configurations: the keys of session tickets, and the certificate
 * that listeners show which were given none. Made once a process; used on the loader thread. */
#include "config/config.h"

struct gw_tls_store;

struct gw_tls_store *gw_tls_store_new(void);
void gw_tls_store_free(struct gw_tls_store *store);

/* Makes the contexts of the configuration's listeners, which are released with it. False: why, in
 * words for the operator. */
bool gw_tls_store_bind(struct gw_tls_store *store, struct gw_config *config, char *why,
                       size_t why_size);
