#pragma once
/* The contexts for TLS to the services of a configuration, which are released with it. On the
 * loader thread. */
#include "config/config.h"

/* False: why, in words for the operator. */
bool gw_tls_services_bind(struct gw_config *config, char *why, size_t why_size);
