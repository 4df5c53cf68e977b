#pragma once
/* Replies made here, as RFC 9457 problems: application/problem+json with type, title, status,
 * detail, instance, correlationId and reason. */
#include "http/exchange.h"

/* Lives in the exchange's arena. `detail` empty: the status phrase; `reason` is the stable name for
 * machines, empty: made of the status phrase ("not_found"). `error` says for the log why; GW_OK for
 * an answer of a plugin's own. */
struct gw_reply *gw_problem_new(struct gw_exchange *x, int status, struct gw_slice detail,
                                struct gw_slice reason, enum gw_error error);

/* Status, detail and reason from the error table; with Retry-After where a limit of the process is
 * reached, which passes. */
struct gw_reply *gw_problem_from_error(struct gw_exchange *x, enum gw_error error);
