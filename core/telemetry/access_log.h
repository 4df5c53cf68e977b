#pragma once
/* The access log's line: what happened to one request, as one JSON object. */
#include "base/slice.h"

/* Clock readings are microseconds; a duration below zero did not happen and is null, as is an empty
 * text where a comment says so. Texts may hold any bytes. */
struct gw_access_record {
    struct gw_slice correlation_id;
    int64_t wall_us; /* when the request began */
    struct gw_slice method;
    struct gw_slice path; /* as the client sent it; cut at 2 KiB */
    int status;           /* 0: nothing was sent */
    int grpc_status;      /* below 0: it was no call, and the line has no place for it */
    int64_t duration_us;
    struct gw_slice route, service, consumer, upstream; /* or null */
    int upstream_status;                                /* 0: null */
    unsigned tries;
    uint64_t bytes_in, bytes_out;
    struct gw_slice client_ip;
    struct gw_slice host, user_agent; /* as the client sent them, cut; or null */
    int version;                      /* of HTTP, as the client spoke it: 10, 11, 20; else null */
    struct gw_slice tls_version;      /* empty: no TLS, and nothing is written of it */
    struct gw_slice tls_cipher;
    struct gw_slice sni; /* or null */
    bool tls_resumed;
    struct gw_slice error; /* the error's name, or null */
    int64_t rewrite_us, access_us, connect_us, head_us, response_us, body_us;
};

/* No line is longer, whatever its texts hold. */
#define GW_ACCESS_LINE_MAX 28672

/* Writes the line with its end. Returns the length. */
size_t gw_access_log_format(char out[GW_ACCESS_LINE_MAX], const struct gw_access_record *record);
