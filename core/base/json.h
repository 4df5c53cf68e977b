#pragma once
/* Writing JSON (RFC 8259) into a buffer. Reading it is Lua's business. */
#include "base/buf.h"

/* The text as a JSON string with its quotes. Control bytes are escaped, what is not UTF-8 becomes
 * U+FFFD, so that whoever reads the result can parse it, whatever a peer sent. */
bool gw_json_string(struct gw_buf *out, struct gw_slice text);
