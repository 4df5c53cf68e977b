#pragma once
/* A request head or a response head; the same struct on both sides of the proxy and for every
 * protocol. Framing (Content- Length, Transfer-Encoding, Connection, Keep-Alive, TE, Upgrade,
 * Expect, Trailer's hop part) never leaves the codec: it becomes body_length, end, authority,
 * protocol, expect_continue. */
#include "http/fields.h"

#ifndef GW_CDEF
#include <stdint.h>
#endif

enum gw_method {
    GW_METHOD_GET,
    GW_METHOD_HEAD,
    GW_METHOD_POST,
    GW_METHOD_PUT,
    GW_METHOD_DELETE,
    GW_METHOD_CONNECT,
    GW_METHOD_OPTIONS,
    GW_METHOD_TRACE,
    GW_METHOD_PATCH,
    GW_METHOD_QUERY,
    GW_METHOD_OTHER, /* WebDAV and such: see method_name */
};

/* body_length besides 0 and more */
#define GW_BODY_NONE                                                                               \
    (-1) /* the message has none (GET without length, 204); an answer to HEAD and a 304 may have a \
          * length all the same: it says what GET would bring, and `end` comes with the head */
#define GW_BODY_UNKNOWN (-2) /* its end is told by the codec (chunked, or until close) */

struct gw_head {
    enum gw_method method;       /* request */
    struct gw_slice method_name; /* as sent: "GET" */
    struct gw_slice scheme;      /* "http"; from the listener, never from the peer */
    struct gw_slice authority;   /* host[:port], lower case, without trailing dot; validated */
    struct gw_slice path;        /* normalised once (http/uri.h); starts with "/", or is "*" */
    struct gw_slice query;       /* without "?"; has_query tells empty from none */
    bool has_query;
    struct gw_slice raw_target; /* the peer's own bytes, for the log */
    /* upgrade token, lower case: h1 Upgrade, h2 :protocol; else empty */
    struct gw_slice protocol;
    bool expect_continue; /* request: the client waits for a 100 */
    bool wants_trailers;  /* request: "te: trailers" goes with it, where the version has room */
    /* 10, 11 or 20 as received; what is written is the codec's own business */
    int version;
    int status;              /* response */
    struct gw_slice reason;  /* response, h1 only; may be empty */
    struct gw_fields fields; /* no pseudo headers, no framing headers, no Host */
    int64_t body_length;
};

/* From a name in upper case; GW_METHOD_OTHER for what we do not know. */
enum gw_method gw_method_parse(struct gw_slice name);

/* RFC 9110 9.2.2. OTHER counts as not idempotent. */
bool gw_method_idempotent(enum gw_method method);

/* The standard reason phrase of a status, or "". */
const char *gw_status_reason(int status);

/* True when a response of that status to that method has no body by definition (RFC 9110 6.4.1). */
bool gw_status_has_no_body(int status, enum gw_method request_method);

/* A copy of a head and of everything it points to, in the arena. */
struct gw_head *gw_head_copy(const struct gw_head *head, struct gw_arena *arena);
