#pragma once
/* Whom a worker process runs as. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#endif

struct gw_privileges {
    bool drop;     /* false: as who started us */
    char name[64]; /* for the supplementary groups; empty: none */
    uid_t uid;
    gid_t gid;
};

/* From "USER" or "USER:GROUP", names or numbers; NULL: nothing is dropped. False with a text for
 * the operator when there is no such user or group, or when we may not. */
bool gw_privileges_find(struct gw_privileges *privileges, const char *written, char *why,
                        size_t why_size);

/* In the process that is to be without them. False, with errno, when that did not work. */
bool gw_privileges_drop(const struct gw_privileges *privileges);
