#pragma once
/* Reads the frames of one direction of a WebSocket (RFC 6455 5) to judge them; they pass as they
 * are. Holds no frame: at most the beginning of a header, and of a Close what it says. */
#include "base/slice.h"

#ifndef GW_CDEF
#include <stdbool.h>
#endif

enum {
    GW_WEBSOCKET_HEADER_MAX = 14,
    GW_WEBSOCKET_CONTROL_MAX = 125,
};

/* Why a WebSocket ends (RFC 6455 7.4.1). */
enum gw_websocket_code {
    GW_WEBSOCKET_FINE = 0,
    GW_WEBSOCKET_AWAY = 1001,
    GW_WEBSOCKET_PROTOCOL = 1002,
    GW_WEBSOCKET_BAD_TEXT = 1007,
    GW_WEBSOCKET_TOO_LARGE = 1009,
    GW_WEBSOCKET_BROKEN = 1011,
};

struct gw_websocket_rules {
    bool utf8;                       /* texts must be UTF-8 */
    uint64_t max_frame, max_message; /* bytes as they are sent; 0: any */
};

struct gw_websocket_reader {
    const struct gw_websocket_rules *rules; /* outlives the reader */
    bool masked;                            /* these are a client's */
    bool compressed;                        /* an extension may use the first reserved bit */

    unsigned char header[GW_WEBSOCKET_HEADER_MAX]; /* of a frame that is not whole */
    char held[GW_WEBSOCKET_HEADER_MAX];            /* given on by the last call */
    unsigned have;

    uint64_t left;    /* of the frame's payload */
    uint64_t message; /* bytes of the message so far */
    int frame;        /* its opcode */
    int kind;         /* opcode of the message that is open; 0: none */
    bool last;        /* the frame ends its message */
    bool plain;       /* the message is not compressed */
    bool closed;      /* Close came: nothing counts after it */
    unsigned char mask[4];
    unsigned masked_at;

    unsigned char said[GW_WEBSOCKET_CONTROL_MAX]; /* by a Close */
    unsigned said_len;
    unsigned text_left;                /* bytes that a character still needs */
    unsigned char text_low, text_high; /* what the next one may be */
};

void gw_websocket_reader_init(struct gw_websocket_reader *reader,
                              const struct gw_websocket_rules *rules, bool masked, bool compressed);

/* What may go on: first `held`, which lives in the reader until the next call, then the first
 * `len` bytes of the input. What else the input held waits in the reader, or, with a code, is never
 * to be sent on. */
struct gw_websocket_passed {
    struct gw_slice held;
    size_t len;
    enum gw_websocket_code code;
};

struct gw_websocket_passed gw_websocket_read(struct gw_websocket_reader *reader,
                                             struct gw_slice input);

/* No frame has begun: another one may be put in here. */
static inline bool gw_websocket_between_frames(const struct gw_websocket_reader *reader)
{
    return reader->left == 0;
}

#define GW_WEBSOCKET_CLOSE_MAX 8

/* A Close with that code; masked with `mask` where it is to be a client's, else NULL. Returns the
 * length. */
size_t gw_websocket_close(enum gw_websocket_code code, const unsigned char mask[4],
                          char out[GW_WEBSOCKET_CLOSE_MAX]);
