#pragma once
/* The character sets of RFC 9110 5.6 and what may stand in a field, as tables: both the readers and
 * the writers of heads judge by them. */
#include "base/slice.h"

/* token: one or more tchar (RFC 9110 5.6.2). */
bool gw_token_valid(struct gw_slice text);

/* The lower-case form of a tchar, 0 for any other byte. */
char gw_token_lower(char c);

/* Lowers a name where it stands; false when a byte of it is no tchar: it is of no use then. */
bool gw_token_lower_name(char *name, size_t len);

/* What a field name of ours may be: tchars, none of them upper case. */
bool gw_field_name_valid(struct gw_slice name);

/* No control byte but tab: no CR, LF, NUL and DEL. Bytes from 0x80 pass (obs-text). */
bool gw_field_value_valid(struct gw_slice value);

/* Visible ASCII only (0x21-0x7e): what a method, a target or an authority is made of on the
 * wire. */
bool gw_visible_valid(struct gw_slice text);

/* Where the first control byte other than tab stands, or `len` when there is none. Looks at sixteen
 * bytes at a time. */
size_t gw_find_control(const char *ptr, size_t len);

/* How many control bytes other than tab there are. */
size_t gw_count_controls(const char *ptr, size_t len);

#define GW_TOKEN_SPELLING_MAX 64

/* A field name (lower case) as lenient servers read it: "_" and "." are "-", dashes at the end do
 * not count. Longer names come out cut: longer than any we guard. */
struct gw_slice gw_token_spelling(struct gw_slice name, char out[GW_TOKEN_SPELLING_MAX]);

/* They are one name to such a server. */
bool gw_token_spelled_alike(struct gw_slice a, struct gw_slice b);
