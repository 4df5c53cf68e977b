#pragma once
/* A self-signed certificate for development: nobody can verify it, but the connection is encrypted.
 */
#include "net/tls_server.h"

struct gw_tls_self;

/* ECDSA P-256 for localhost, good for a year from now on. NULL: the library cannot make one. */
struct gw_tls_self *gw_tls_self_new(void);
void gw_tls_self_free(struct gw_tls_self *self); /* NULL is fine */

/* Borrowed. */
struct gw_tls_identity gw_tls_self_identity(const struct gw_tls_self *self);
