#pragma once
/* What is found by the name a client asks for: an exact name before "*.example.com", which stands
 * for one label. */
#include "base/map.h"

#define GW_TLS_NAME_MAX 255

struct gw_tls_names {
    struct gw_map map; /* keys owned */
};

void gw_tls_names_init(struct gw_tls_names *names);
void gw_tls_names_deinit(struct gw_tls_names *names);

/* Who comes first keeps the name. */
void gw_tls_names_enter(struct gw_tls_names *names, struct gw_slice name, void *value);

/* NULL: nothing answers to it. `name` is tidy. */
void *gw_tls_names_find(const struct gw_tls_names *names, struct gw_slice name);

/* The same where "*.example.com" stands for one label or several, as in the hosts of routes; the
 * longest one. */
void *gw_tls_names_find_deep(const struct gw_tls_names *names, struct gw_slice name);

/* In lower case, without a dot at the end; empty when it is too long for a name. */
struct gw_slice gw_tls_name_tidy(struct gw_slice name, char out[GW_TLS_NAME_MAX]);
