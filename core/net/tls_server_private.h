#pragma once
/* What a listener's TLS is made of; for net/tls_server.c and net/tls_facts.c. */
#include "base/refs.h"
#include "net/tls_context.h"
#include "net/tls_facts.h"
#include "net/tls_names.h"
#include "net/tls_policy.h"

struct gw_tls_server {
    struct gw_refs refs;
    struct gw_tls_context *contexts; /* one an identity */
    unsigned context_count;
    struct gw_tls_policy *policies;
    unsigned policy_count;
    struct gw_tls_names context_by_name, policy_by_name;
    bool strict;
};

/* `name` is tidy. */
const struct gw_tls_policy *gw_tls_server_policy(const struct gw_tls_server *server,
                                                 struct gw_slice name);

/* One reference, the caller's; keeps one of the server. */
struct gw_tls_facts *gw_tls_facts_new(struct gw_tls_server *server);
void gw_tls_facts_set_name(struct gw_tls_facts *facts, struct gw_slice name);
