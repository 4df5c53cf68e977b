#pragma once
/* Makes a gw_head of the bytes of one: start line, fields, framing (RFC 9112 3, 4, 5, 6). Both
 * roles judge alike; only the names of the errors differ, and that is settled by h1_parse.c. */
#include "base/error.h"
#include "http/head.h"

#ifndef GW_CDEF
#include <llhttp.h>
#endif

#define GW_H1_METHOD_MAX 32

/* What a head says beside what gw_head holds. */
struct gw_h1_framing {
    bool keep_alive; /* the peer would go on with this connection */
    bool chunked;
    int64_t content_length; /* -1: none */
};

/* Collects the fields of one head. Made for each, on the stack. */
struct gw_h1_reader {
    struct gw_arena *arena;
    struct gw_head *head;
    struct gw_h1_framing *framing;
    bool is_response;
    unsigned max_fields;

    char *block; /* the head's bytes, in the arena: names are lowered in place */
    struct gw_slice name, value;
    struct gw_slice host, upgrade;
    struct gw_fields connection; /* lists that name more than close, keep-alive and upgrade */
    unsigned hosts, lengths, codings, seen;
    bool close, stay, upgrade_option, coding_is_chunked;
    enum gw_error error;
};

/* "GET /x HTTP/1.1" into method, method_name, raw_target, version; path and query are not touched
 * yet. Fills what it can before an error. `line` must live as long as the head. */
enum gw_error gw_h1_read_request_line(struct gw_head *head, struct gw_slice line,
                                      size_t max_target);

/* "HTTP/1.1 200 OK" into version, status, reason. */
enum gw_error gw_h1_read_status_line(struct gw_head *head, struct gw_slice line);

/* Callbacks for llhttp (its `data` is the reader). */
int gw_h1_reader_on_name(llhttp_t *http, const char *at, size_t len);
int gw_h1_reader_on_value(llhttp_t *http, const char *at, size_t len);
int gw_h1_reader_on_field_end(llhttp_t *http);

/* When all fields are in: decides about framing, host, upgrade, expectation; takes out what
 * Connection names. */
enum gw_error gw_h1_reader_finish(struct gw_h1_reader *reader);
