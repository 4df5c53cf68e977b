#pragma once
/* Replies made here, as RFC 9457 problems: application/problem+json with type, title, status,
 * detail, instance, correlationId and reason. */
#include "http/exchange.h"

/* What a problem says beyond its status; all of it may be empty. */
struct gw_problem {
    struct gw_slice type;   /* a URI; empty: about:blank */
    struct gw_slice title;  /* empty: the status phrase */
    struct gw_slice detail; /* empty: the title */
    struct gw_slice reason; /* the stable name for machines; empty: of the phrase ("not_found") */
    struct gw_slice more;   /* further members, as JSON that begins with a comma */
    enum gw_error error;    /* for the log, why; GW_OK for an answer of a plugin's own */
};

/* Lives in the exchange's arena, and borrows nothing but `detail`, which must live there, too. */
struct gw_reply *gw_problem_new(struct gw_exchange *x, int status,
                                const struct gw_problem *problem);

/* Status, detail and reason from the error table; with Retry-After where a limit of the process is
 * reached, which passes. */
struct gw_reply *gw_problem_from_error(struct gw_exchange *x, enum gw_error error);
