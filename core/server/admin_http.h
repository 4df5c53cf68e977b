#pragma once
/* A small HTTP server on one loop over the h1 codec: requests with a bounded body in, whole answers
 * out, now or later. */
#include "base/buf.h"
#include "http/stream.h"
#include "net/addr.h"
#include "net/loop.h"

struct gw_admin_listener;

/* One request. Ends with gw_admin_answer(), exactly once, whether the client is still there or not.
 */
struct gw_admin_request {
    struct gw_list_node node;
    struct gw_admin_listener *listener;
    struct gw_stream *down; /* NULL once the client is gone */
    struct gw_arena *arena;
    struct gw_head *head;
    struct gw_slice local; /* the address the client connected to, "ip:port" or "unix:path" */
    size_t body_bytes;     /* read and thrown away: no endpoint takes a body */
    bool called;           /* the handler has it */
    const char *allow;     /* for 405: the Allow header; set before the answer */
};

typedef void (*gw_admin_handler)(void *ctx, struct gw_admin_request *request);

/* Takes the listening descriptor. NULL when it is refused. */
struct gw_admin_listener *gw_admin_listener_open(struct gw_loop *loop, int fd,
                                                 gw_admin_handler handler, void *ctx);

/* Stops accepting; open connections finish the request they are in. Frees itself when the last is
 * gone. */
void gw_admin_listener_close(struct gw_admin_listener *listener);

/* Ends everything now; no handler is called any more, answers of unanswered requests may still
 * come. */
void gw_admin_listener_abort(struct gw_admin_listener *listener);

const struct gw_addr *gw_admin_listener_addr(const struct gw_admin_listener *listener);

/* `type` is a literal, `body` is copied. Frees the request. */
void gw_admin_answer(struct gw_admin_request *request, int status, const char *type,
                     struct gw_slice body);

/* A problem (RFC 9457) with that detail. */
void gw_admin_refuse(struct gw_admin_request *request, int status, const char *detail);
