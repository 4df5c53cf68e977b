#pragma once
/* The key of consistent hashing: what of a request says which target it goes to. */
#include "http/exchange.h"
#include "upstream/target.h"

/* For `struct gw_call_options.hash`; the context is the exchange. The first source that the request
 * has counts. A cookie it has not is made, and the answer gives it to the client. The hash is the
 * same in every process, so that gateways agree; who knows it can aim at a target, which bounded
 * load (hash_balance_factor) is for. */
bool gw_exchange_hash(void *ctx, const struct gw_balancing *how, uint64_t *hash);

/* For gw_call_options.cookie: `ctx` is the exchange. */
bool gw_exchange_cookie(void *ctx, struct gw_slice name, struct gw_slice *value);

/* The value of a cookie (RFC 6265 4.2) in the request; false: it has none. */
bool gw_cookie_get(const struct gw_fields *fields, struct gw_slice name, struct gw_slice *value);
