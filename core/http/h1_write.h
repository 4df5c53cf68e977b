#pragma once
/* Heads to bytes. Everything is written anew from the model and judged again: values come from
 * plugins and peers, so a CR, LF or NUL ends here with GW_E_INTERNAL and never on the wire. Fields
 * that frame (Content-Length, Transfer-Encoding, Connection …) are the codec's: such names among
 * `fields` are left out, whoever put them there. */
#include "base/error.h"
#include "http/head.h"

/* How the body that follows a head is marked off. */
enum gw_h1_body {
    GW_H1_BODY_NONE, /* there is none, whatever is sent */
    GW_H1_BODY_LENGTH,
    GW_H1_BODY_CHUNKED,
    GW_H1_BODY_CLOSE, /* by the end of the connection (HTTP/1.0 clients) */
    GW_H1_BODY_TUNNEL,
};

struct gw_h1_written {
    struct gw_slice text; /* in the arena */
    enum gw_h1_body body;
    int64_t length; /* GW_H1_BODY_LENGTH */
};

enum gw_error gw_h1_write_request(const struct gw_head *head, bool end, struct gw_arena *arena,
                                  struct gw_h1_written *written);

/* What the request was that is answered. */
struct gw_h1_asked {
    enum gw_method method;
    int version;              /* 10 or 11 */
    struct gw_slice protocol; /* of its Upgrade; stands in where a 101 names none */
    struct gw_slice key;      /* Sec-WebSocket-Key; lives as long as the request */
    /* the connection is to be kept; cleared where the body's end is that of the connection */
    bool keep_alive;
    int64_t wall_us; /* for Date */
};

enum gw_error gw_h1_write_response(const struct gw_head *head, bool end, struct gw_h1_asked *asked,
                                   struct gw_arena *arena, struct gw_h1_written *written);

/* The last chunk with the trailers (which may be none). Those that may not stand there are left
 * out. */
enum gw_error gw_h1_write_trailers(const struct gw_fields *trailers, struct gw_arena *arena,
                                   struct gw_slice *text);

#define GW_H1_CHUNK_LINE_MAX 20

/* "1f4\r\n" */
struct gw_slice gw_h1_chunk_line(char out[GW_H1_CHUNK_LINE_MAX], size_t len);
