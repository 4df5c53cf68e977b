#pragma once
/* Everything that can go wrong with a request, in one table: status, text, who is to blame and
 * whether another try may be made cannot drift apart. The name (lower case, without GW_E_) is the
 * `reason` that clients, logs and metrics see. */
#ifndef GW_CDEF
#include <stdbool.h>
#endif

enum gw_side {
    GW_SIDE_NONE,
    GW_SIDE_DOWNSTREAM, /* the client */
    GW_SIDE_UPSTREAM,   /* the service */
    GW_SIDE_LOCAL,      /* ourselves: configuration, a plugin, a limit of the process */
};

enum gw_retry {
    GW_RETRY_NEVER,
    GW_RETRY_ALWAYS,    /* no byte of the request reached the kernel */
    GW_RETRY_ELSEWHERE, /* the same, but this target will say it again: only another one */
    GW_RETRY_IF_UNSENT_OR_IDEMPOTENT,
};

/* clang-format off */
/*      name                text                                                    status  side        retry   */
#define GW_ERRORS(X)                                                                               \
    X(OK,                 "no error",                                                 0, NONE, NEVER)        \
    X(CLOSED,             "the peer closed the connection",                           0, NONE, NEVER)        \
    X(BAD_REQUEST,        "the request is not valid HTTP",                          400, DOWNSTREAM, NEVER)  \
    X(PLAIN_HTTP,         "plain HTTP was sent to a port that speaks TLS",          400, DOWNSTREAM, NEVER)  \
    X(PROXY_HEADER,       "the connection begins with no valid PROXY header",       400, DOWNSTREAM, NEVER)  \
    X(BAD_TARGET,         "the request target is not valid",                        400, DOWNSTREAM, NEVER)  \
    X(PATTERN_LIMIT,      "a pattern of the configuration gave up on this path",    400, DOWNSTREAM, NEVER)  \
    X(BAD_HOST,           "the request needs exactly one valid host",               400, DOWNSTREAM, NEVER)  \
    X(BAD_FRAMING,        "the length of the request body is ambiguous",            400, DOWNSTREAM, NEVER)  \
    X(BAD_BODY,           "the request body is malformed",                          400, DOWNSTREAM, NEVER)  \
    X(BODY_CUT,           "the client ended the request before its body was whole", 400, DOWNSTREAM, NEVER)  \
    X(WEBSOCKET_KEY,      "a WebSocket needs one Sec-WebSocket-Key of 16 bytes",    400, DOWNSTREAM, NEVER)  \
    X(BAD_DEADLINE,       "grpc-timeout is malformed",                              400, DOWNSTREAM, NEVER)  \
    X(NO_ROUTE,           "no route matches this request",                          404, DOWNSTREAM, NEVER)  \
    X(NO_METHOD,          "this resource does not answer to that method",           405, DOWNSTREAM, NEVER)  \
    X(CLIENT_CERTIFICATE, "this resource asks for a client certificate it accepts", 403, DOWNSTREAM, NEVER)  \
    X(MISDIRECTED,        "this connection was made for another host",              421, DOWNSTREAM, NEVER)  \
    X(HTTPS_ONLY,         "this resource is served over HTTPS only",                426, DOWNSTREAM, NEVER)  \
    X(HEAD_SLOW,          "the client sent its head too slowly",                    408, DOWNSTREAM, NEVER)  \
    X(BODY_SLOW,          "the client sent its body too slowly",                    408, DOWNSTREAM, NEVER)  \
    X(BODY_TOO_LARGE,     "the request body is larger than allowed",                413, DOWNSTREAM, NEVER)  \
    X(NOT_GRPC,           "this route takes gRPC alone",                            415, DOWNSTREAM, NEVER)  \
    X(TARGET_TOO_LONG,    "the request target is longer than allowed",              414, DOWNSTREAM, NEVER)  \
    X(EXPECT,             "the expectation cannot be met",                          417, DOWNSTREAM, NEVER)  \
    X(HEAD_TOO_LARGE,     "the request head is larger than allowed",                431, DOWNSTREAM, NEVER)  \
    X(CLIENT_CONNECTIONS, "this client has too many connections open",              429, DOWNSTREAM, NEVER)  \
    X(CLIENT_GONE,        "the client went away",                                   499, DOWNSTREAM, NEVER)  \
    X(WRITE_SLOW,         "the client reads too slowly",                            499, DOWNSTREAM, NEVER)  \
    X(FLOOD,              "the client floods its connection with frames",           499, DOWNSTREAM, NEVER)  \
    X(PLUGIN,             "a plugin failed",                                        500, LOCAL, NEVER)        \
    X(INTERNAL,           "internal error",                                         500, LOCAL, NEVER)        \
    X(NOT_IMPLEMENTED,    "this gateway does not support that",                     501, LOCAL, NEVER)        \
    X(RESOLVE,            "the name of the upstream does not resolve",              502, UPSTREAM, ALWAYS)    \
    X(CONNECT,            "cannot connect to the upstream",                         502, UPSTREAM, ALWAYS)    \
    X(TLS_EXPIRED,        "the upstream's certificate has expired or is not valid yet", 502, UPSTREAM,     \
      ELSEWHERE)                                                                                             \
    X(TLS_UNTRUSTED,      "the upstream's certificate is signed by nobody who is trusted", 502, UPSTREAM,    \
      ELSEWHERE)                                                                                             \
    X(TLS_NAME,           "the upstream's certificate is for another name",         502, UPSTREAM, ELSEWHERE) \
    X(TLS_CERTIFICATE,    "the upstream's certificate is not accepted",             502, UPSTREAM, ELSEWHERE) \
    X(TLS_REFUSED,        "the upstream and the gateway do not agree on TLS",       502, UPSTREAM, ELSEWHERE) \
    X(TLS_PROTOCOL,       "the upstream does not agree to the HTTP version asked for", 502, UPSTREAM,        \
      ELSEWHERE)                                                                                             \
    X(TLS_HANDSHAKE,      "the TLS handshake with the upstream failed",             502, UPSTREAM, ALWAYS)    \
    X(RESET,              "the upstream closed the connection",                     502, UPSTREAM,            \
      IF_UNSENT_OR_IDEMPOTENT)                                                                               \
    X(NO_TUNNEL,          "the upstream takes no WebSockets over HTTP/2",           502, UPSTREAM, NEVER)     \
    X(UPSTREAM_REFUSED,   "the upstream did not take the request on",               502, UPSTREAM, ALWAYS)    \
    X(UPSTREAM_PROTOCOL,  "the upstream sent an invalid response",                  502, UPSTREAM, NEVER)     \
    X(UPSTREAM_CUT,       "the upstream ended before its response was whole",       502, UPSTREAM, NEVER)     \
    X(UPSTREAM_HEAD_TOO_LARGE, "the head of the upstream's response is too large",  502, UPSTREAM, NEVER)     \
    X(UPSTREAM_BODY_TOO_LARGE, "the upstream's body is too large to be buffered",   502, UPSTREAM, NEVER)     \
    X(NO_TARGET,          "no target is available",                                 503, UPSTREAM, NEVER)     \
    X(BREAKER_OPEN,       "the service failed too often and is left alone for now", 503, UPSTREAM, NEVER)     \
    X(UPSTREAM_FULL,      "the upstream has as many requests as it may have",       503, LOCAL, NEVER)        \
    X(UPSTREAM_WAIT,      "no place at the upstream came free in time",             503, LOCAL, NEVER)        \
    X(OVERLOADED,         "the gateway is at its limit",                            503, LOCAL, NEVER)        \
    X(CONNECTIONS,        "the gateway has too many connections open",              503, LOCAL, NEVER)        \
    X(DESCRIPTORS,        "the gateway has no file descriptor left",                503, LOCAL, NEVER)        \
    X(SHUTDOWN,           "the gateway is shutting down",                           503, LOCAL, NEVER)        \
    X(OLD_GENERATION,     "its configuration was replaced, and is given up",        503, LOCAL, NEVER)        \
    X(CONNECT_TIMEOUT,    "the connection to the upstream took too long",           504, UPSTREAM, ALWAYS)    \
    X(TLS_TIMEOUT,        "the TLS handshake with the upstream took too long",      504, UPSTREAM, ALWAYS)    \
    X(RESPONSE_TIMEOUT,   "the upstream took too long to answer",                   504, UPSTREAM, NEVER)     \
    X(READ_TIMEOUT,       "the upstream paused for too long",                       504, UPSTREAM, NEVER)     \
    X(WRITE_TIMEOUT,      "the upstream took too long to read the request",         504, UPSTREAM, NEVER)     \
    X(TOTAL_TIMEOUT,      "the request took longer than allowed",                   504, LOCAL, NEVER)        \
    X(DEADLINE,           "the call took longer than its client allows",            504, DOWNSTREAM, NEVER)  \
    X(HTTP_VERSION,       "only HTTP/1.0 and HTTP/1.1 are spoken here",             505, DOWNSTREAM, NEVER)   \
    X(WEBSOCKET_FRAME,    "the client broke the rules of WebSocket frames",           0, DOWNSTREAM, NEVER)  \
    X(WEBSOCKET_TEXT,     "the client sent a WebSocket text that is no UTF-8",        0, DOWNSTREAM, NEVER)  \
    X(WEBSOCKET_TOO_LARGE, "the client's WebSocket message is larger than allowed",   0, DOWNSTREAM, NEVER)  \
    X(UPSTREAM_WEBSOCKET_TOO_LARGE, "the upstream's WebSocket message is larger than allowed",               \
      502, UPSTREAM, NEVER)                                                                                  \
    X(IDLE,               "the connection was idle for too long",                   0, NONE, NEVER)          \
    X(CANCELLED,          "cancelled",                                              0, LOCAL, NEVER)
/* clang-format on */

enum gw_error {
#define X(name, text, status, side, retry) GW_E_##name,
    GW_ERRORS(X)
#undef X
    GW_E_COUNT
};

#define GW_OK GW_E_OK

struct gw_error_info {
    const char *reason; /* "connect_timeout": stable, for machines */
    const char *text;   /* for people */
    int status;         /* what the client gets when nothing was sent yet; 0: nothing is sent */
    enum gw_side side;
    enum gw_retry retry;
};

const struct gw_error_info *gw_error_info(enum gw_error error);
