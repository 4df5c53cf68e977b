#pragma once
/* What is UTF-8 and what only looks like it. */
#include "base/slice.h"

/* The length of the sequence at the start (RFC 3629: no overlong forms, no surrogates, nothing
 * above U+10FFFF), or 0 when there is none. */
size_t gw_utf8_length(struct gw_slice text);
