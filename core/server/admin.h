#pragma once
/* The listeners for operators: admin (everything, a unix socket or a TCP address with a token) and
 * status (read-only, for probes). They speak through the same HTTP codec as everybody and live on
 * control's loop. */
#include "config/config.h"
#include "net/addr.h"

struct gw_server;
struct gw_admin;

enum gw_admin_role {
    GW_ADMIN_FULL,
    GW_ADMIN_STATUS,
    GW_ADMIN_ROLES
};

struct gw_admin *gw_admin_new(struct gw_server *server);
void gw_admin_free(struct gw_admin *admin);

/* Listens where the configuration says; what it listens on already is kept. False, with nothing
 * changed and a text for the operator in `why`, when an address cannot be bound. */
bool gw_admin_arrange(struct gw_admin *admin, const struct gw_config *config, char *why,
                      size_t why_size);

/* Takes no more connections and lets the sockets be: another process has them, too. */
void gw_admin_retire(struct gw_admin *admin);

/* Where it listens, as text; false when it does not. */
bool gw_admin_address(const struct gw_admin *admin, enum gw_admin_role role,
                      char out[GW_ADDR_TEXT_MAX]);
