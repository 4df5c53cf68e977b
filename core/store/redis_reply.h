#pragma once
/* Redis' protocol (RESP2): commands become bytes, bytes become values. hiredis knows the protocol;
 * what a server may make us hold is bounded here, before it gets there. */
#include "base/arena.h"
#include "base/buf.h"

#ifndef GW_CDEF
#include <stdint.h>
#endif

enum gw_redis_type {
    GW_REDIS_NIL,
    GW_REDIS_STRING,
    GW_REDIS_STATUS, /* "+OK" */
    GW_REDIS_ERROR,  /* "-ERR …": what Redis says about a command, not a failure of ours */
    GW_REDIS_INTEGER,
    GW_REDIS_ARRAY,
};

struct gw_redis_value {
    enum gw_redis_type type;
    unsigned count;       /* of elements */
    int64_t integer;      /* of integers */
    struct gw_slice text; /* of strings, states and errors */
    struct gw_redis_value **elements;
};

/* The program was built with hiredis; without it nothing below may be called. */
bool gw_redis_available(void);

/* One command of `count` parts, which are any bytes. False when the buffer would be too large. */
bool gw_redis_write_command(struct gw_buf *buf, const struct gw_slice *parts, unsigned count);

struct gw_redis_reader;

/* `max_bytes`: of one reply, as it comes and as it is kept. */
struct gw_redis_reader *gw_redis_reader_new(size_t max_bytes);
void gw_redis_reader_free(struct gw_redis_reader *reader); /* NULL is fine */

enum gw_redis_read {
    GW_REDIS_READ_MORE, /* the reply is not whole */
    GW_REDIS_READ_VALUE,
    GW_REDIS_READ_MALFORMED,
    GW_REDIS_READ_TOO_LARGE, /* … both for good */
};

/* Takes a piece of the bytes, at most so many that they fit; cut off are those it took. */
void gw_redis_reader_feed(struct gw_redis_reader *reader, struct gw_slice *bytes);

/* Bytes that were fed and are not part of a reply yet. */
size_t gw_redis_reader_rest(const struct gw_redis_reader *reader);

/* The next reply of what was fed; it lives in the arena, which is the same until it is whole. */
enum gw_redis_read gw_redis_reader_next(struct gw_redis_reader *reader, struct gw_arena *arena,
                                        struct gw_redis_value **value);
