#pragma once
/* What gRPC says in HTTP/2's words: which requests are calls, how long they may take, and how they
 * ended. No call is read: messages are bytes here. */
#include "base/error.h"
#include "http/head.h"

/* The codes a gateway has a reason to say (google.rpc.Code). */
enum gw_grpc_status {
    GW_GRPC_NONE = -1, /* nobody said one */
    GW_GRPC_OK = 0,
    GW_GRPC_CANCELLED = 1,
    GW_GRPC_UNKNOWN = 2,
    GW_GRPC_DEADLINE_EXCEEDED = 4,
    GW_GRPC_PERMISSION_DENIED = 7,
    GW_GRPC_RESOURCE_EXHAUSTED = 8,
    GW_GRPC_UNIMPLEMENTED = 12,
    GW_GRPC_INTERNAL = 13,
    GW_GRPC_UNAVAILABLE = 14,
    GW_GRPC_UNAUTHENTICATED = 16,
    GW_GRPC_COUNT = 17,
};

#ifndef GW_CDEF
#define GW_GRPC_TYPE GW_SLICE("application/grpc")
#define GW_GRPC_STATUS_FIELD GW_SLICE("grpc-status")
#define GW_GRPC_MESSAGE_FIELD GW_SLICE("grpc-message")
#endif

/* True for application/grpc, application/grpc+proto, …; not for application/grpc-web. */
bool gw_grpc_is_type(struct gw_slice content_type);

/* A request that is a call: POST over HTTP/2 of that type. Nothing is looked up in others. */
bool gw_grpc_asks(const struct gw_head *head);

/* The call's grpc-timeout in microseconds, at least one; 0: it has none. GW_E_BAD_DEADLINE for what
 * is no TimeoutValue and TimeoutUnit (1 to 8 digits; H, M, S, m, u, n). */
enum gw_error gw_grpc_timeout(const struct gw_fields *fields, uint64_t *timeout_us);

/* The same, to be written; in the finest unit that has room for it, rounded up. */
struct gw_slice gw_grpc_timeout_text(struct gw_arena *arena, uint64_t timeout_us);

/* What a call is told that was answered with an HTTP status, or that failed with an error here:
 * https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md, and more exact where
 * that says UNKNOWN. */
enum gw_grpc_status gw_grpc_status_of(int http_status, enum gw_error error);

/* What fields (trailers, or a head without a body) say; GW_GRPC_NONE. */
int gw_grpc_status_in(const struct gw_fields *fields);

/* For grpc-message: percent-encoded, at most 1 KiB of it. */
struct gw_slice gw_grpc_message(struct gw_arena *arena, struct gw_slice text);

/* grpc-status and grpc-message, in the place of any others. */
void gw_grpc_put_status(struct gw_fields *fields, struct gw_arena *arena, int status,
                        struct gw_slice message);

/* Makes the head of a reply what a call is answered with: 200, and its end in the same fields
 * ("Trailers-Only"). A grpc-status of its own stays. False, and nothing changed, where the reply is
 * one of gRPC already, with a body. */
bool gw_grpc_answer(struct gw_head *response, struct gw_arena *arena, struct gw_slice message,
                    enum gw_error error);
