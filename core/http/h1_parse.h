#pragma once
/* Bytes of HTTP/1 in, steps out: an engine without a connection. Whoever drives it asks for the
 * next step until there is none, so stopping at any point needs no flag in here: what was not taken
 * off the input is the caller's to keep. */
#include "http/h1.h"
#include "http/h1_block.h"
#include "http/h1_head.h"

#define GW_H1_INTERIM_MAX 16 /* 1xx heads before the final one */

enum gw_h1_step {
    GW_H1_MORE,     /* the input is used up */
    GW_H1_HEAD,     /* `head`; `ended` when no body follows */
    GW_H1_BODY,     /* bytes of it; `ended` when they are the last */
    GW_H1_TRAILERS, /* `trailers`; the message ended */
    GW_H1_END,      /* the message ended */
    GW_H1_FAILED,   /* `error`; nothing more can be read from this peer */
};

enum gw_h1_state {
    GW_H1_IDLE, /* between messages */
    GW_H1_IN_HEAD,
    GW_H1_IN_LENGTH, /* `remaining` bytes of body to come */
    GW_H1_IN_CHUNKS,
    GW_H1_UNTIL_CLOSE, /* the end of the connection ends the body */
    GW_H1_TUNNEL,      /* no HTTP any more */
    GW_H1_DONE,        /* the message ended; see gw_h1_parse_next_message() */
    GW_H1_DEAD,        /* failed */
};

struct gw_h1_parse {
    enum gw_h1_state state;
    bool is_response;
    const struct gw_session_limits *limits;

    /* Of the current message. */
    /* where heads and trailers live; a server's is made when a head is whole or refused */
    struct gw_arena *arena;
    struct gw_head *head;
    struct gw_fields *trailers;
    struct gw_h1_framing framing;
    bool ended;
    bool body_begun; /* a byte of it, or of its framing, came */
    enum gw_error error;

    /* A response's: what was asked. */
    enum gw_method asked_method;
    bool asked_upgrade;
    unsigned interim; /* 1xx heads so far */

    int64_t remaining;
    struct gw_h1_block block;

    /* Of a chunked body. */
    llhttp_t http;
    struct gw_slice chunk;  /* set by the callback, taken by the step */
    struct gw_buf scratch;  /* a trailer's name and value */
    size_t name_len;        /* of that, the name */
    size_t line_bytes;      /* of framing since the last bytes of body */
    size_t extension_bytes; /* beyond what framing needs, in the whole message */
    unsigned trailer_count;
    char before; /* the last byte of framing */
    bool last_chunk, in_trailers, message_complete;
};

/* `limits` are borrowed. */
void gw_h1_parse_init(struct gw_h1_parse *parse, bool is_response,
                      const struct gw_session_limits *limits);
void gw_h1_parse_deinit(struct gw_h1_parse *parse);

/* Takes bytes off the front of `input` for one step. *body is borrowed from the input. */
enum gw_h1_step gw_h1_parse_next(struct gw_h1_parse *parse, struct gw_slice *input,
                                 struct gw_slice *body);

/* What the end of the connection means here: END of a body it ends, FAILED in the middle of a
 * message, MORE between messages. */
enum gw_h1_step gw_h1_parse_eof(struct gw_h1_parse *parse);

/* True once a byte of a head has come. */
bool gw_h1_parse_begun(const struct gw_h1_parse *parse);

/* From DONE to IDLE. */
void gw_h1_parse_next_message(struct gw_h1_parse *parse);

/* The owner of the arena is gone: the rest of the message is only walked over. */
void gw_h1_parse_forget(struct gw_h1_parse *parse);

/* Gives up on a head that is not whole, for a reason of the caller's: `head` then holds what is
 * known. */
void gw_h1_parse_refuse(struct gw_h1_parse *parse, enum gw_error why);

/* From the end of a head on everything is the tunnel's. */
void gw_h1_parse_tunnel(struct gw_h1_parse *parse);
