#pragma once
/* Where listening sockets come from. Without a supervisor it binds; with one it asks for the
 * descriptor. One call, so that who listens need not know. */
#include "net/addr.h"

struct gw_socket_source;

/* Who may connect to a unix socket. */
struct gw_socket_access {
    unsigned mode; /* of its file: 0660 */
    int group;     /* -1: as it is */
};

/* Binds by itself: SO_REUSEADDR, SO_REUSEPORT (one socket a worker), IPV6_V6ONLY, non-blocking,
 * close-on-exec. */
struct gw_socket_source *gw_socket_source_new(void);

#ifndef GW_CDEF

/* Who has the sockets in our place; the calls are as below. */
struct gw_socket_owner {
    int (*get)(void *ctx, struct gw_addr *addr, unsigned index, char *why, size_t why_size);
    int (*get_kept)(void *ctx, const struct gw_addr *addr, unsigned index);
    void (*release)(void *ctx, const struct gw_addr *addr);
    bool (*set_access)(void *ctx, const struct gw_addr *addr, const struct gw_socket_access *access,
                       char *why, size_t why_size);
    void *ctx;
};

/* Binds nothing, asks. */
struct gw_socket_source *gw_socket_source_asking(const struct gw_socket_owner *owner);

#endif

void gw_socket_source_free(
    struct gw_socket_source *source); /* closes nothing that was handed out */

/* A bound, listening descriptor for worker `index` (0 … count-1) of `addr`; owned by the caller. -1
 * with a text for the operator in `why` ("bind 127.0.0.1:80: permission denied (…)"). With port 0
 * the first call picks the port and *addr is updated, so the other workers get the same one. */
int gw_socket_source_get(struct gw_socket_source *source, struct gw_addr *addr, unsigned index,
                         char *why, size_t why_size);

/* One more socket of an address that was got, when the owner has such a one from before; -1 when
 * not. They must be accepted on like the others. */
int gw_socket_source_get_kept(struct gw_socket_source *source, const struct gw_addr *addr,
                              unsigned index);

/* Makes an address known that was bound by who was here before: `fd` is one of its sockets and
 * stays the caller's. */
void gw_socket_source_adopt(struct gw_socket_source *source, const struct gw_addr *asked,
                            const struct gw_addr *bound, int fd);

/* Of a unix socket that was got before; until then it is 0600 and of the process's own group. False
 * with a text for the operator. */
bool gw_socket_source_set_access(struct gw_socket_source *source, const struct gw_addr *addr,
                                 const struct gw_socket_access *access, char *why, size_t why_size);

/* The address is no longer wanted on any worker. */
void gw_socket_source_release(struct gw_socket_source *source, const struct gw_addr *addr);
