#pragma once
/* Finds the end of a head in bytes that come in any pieces, before a parser sees them, and refuses
 * what parsers disagree about: a CR or LF that is not half of a CRLF, NUL and other control bytes,
 * obs-fold, a first field line that begins with a blank (RFC 9112 2.2, 5.2). llhttp 8.1 takes a
 * lone CR as the end of a line (CVE-2023-30589), so this is where it stops. */
#include "base/buf.h"
#include "base/error.h"

struct gw_h1_block_limits {
    size_t bytes;      /* of the whole head */
    size_t first_line; /* without its CRLF */
    unsigned lines;    /* of fields */
    bool skip_empty;   /* one empty line may come before the first (RFC 9112 2.2) */
};

struct gw_h1_block {
    struct gw_buf
        partial;      /* what came so far of a head that is not whole; empty in the common case */
    size_t at;        /* looked at up to here */
    size_t line;      /* where the current line begins */
    size_t start;     /* where the head begins: behind an empty line */
    size_t first_end; /* the first line's CR; 0: not whole yet */
    unsigned lines;   /* whole lines */
    bool skipped;     /* an empty line */
};

void gw_h1_block_init(struct gw_h1_block *block);
void gw_h1_block_deinit(struct gw_h1_block *block);

/* True once a byte of a head has come (an empty line before it does not count). */
bool gw_h1_block_begun(const struct gw_h1_block *block);

/* Takes bytes off the front of `input`. *whole is set when the head is: it reaches from its first
 * line to the empty one, and is borrowed from `input` or the block until gw_h1_block_clear().
 * Otherwise all of `input` was used up. Errors: GW_E_BAD_REQUEST, GW_E_TARGET_TOO_LONG (the first
 * line), GW_E_HEAD_TOO_LARGE. */
enum gw_error gw_h1_block_feed(struct gw_h1_block *block, const struct gw_h1_block_limits *limits,
                               struct gw_slice *input, struct gw_slice *whole);

/* After an error: the first line as far as it came, for the log. Borrowed like `whole`. */
struct gw_slice gw_h1_block_first_line(const struct gw_h1_block *block, struct gw_slice input);

/* For the next head. */
void gw_h1_block_clear(struct gw_h1_block *block);
