#pragma once
/* Bytes as text and back: hexadecimal, and base64 with both alphabets (RFC 4648). Decoding is
 * strict: what encoding would not have written is refused, so that two texts never mean the same
 * bytes. */
#include "base/slice.h"

/* How long the text of so many bytes is. */
static inline size_t gw_hex_length(size_t len)
{
    return len * 2;
}

static inline size_t gw_base64_length(size_t len)
{
    return (len + 2) / 3 * 4;
}

/* Lower case; writes gw_hex_length() bytes. */
void gw_hex_encode(struct gw_slice bytes, char *out);

/* Either case. Writes half as many bytes as the text has; false for what is no hex. */
bool gw_hex_decode(struct gw_slice text, char *out);

/* Writes at most gw_base64_length() bytes; returns how many. `url`: with - and _, without
 * padding. */
size_t gw_base64_encode(struct gw_slice bytes, bool url, char *out);

/* Writes at most three quarters of the text's length (into `out`, which may not be the text);
 * *len is how many. False for other characters, line ends and spaces too, for bits that mean
 * nothing, and for wrong padding: there must be all of it, but `url` may do without. */
bool gw_base64_decode(struct gw_slice text, bool url, char *out, size_t *len);
