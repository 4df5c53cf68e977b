#pragma once
/* Sessions that are taken up again, through tickets alone; nothing is kept here. A ticket holds as
 * long as its key (net/tls_tickets.h), where the same is asked of clients (gw_tls_policy_apply()
 * binds it), and not longer than the certificates its client was known by. For net/tls_*.c. */
#include "net/tls_tickets.h"

#include <openssl/ssl.h>

/* `tickets` outlives the context. */
void gw_tls_resume_set(SSL_CTX *ctx, struct gw_tls_tickets *tickets);
