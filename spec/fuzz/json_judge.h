#pragma once
#include "fuzz.h"

/* One JSON value of RFC 8259 in UTF-8 and nothing behind it; a reader of its own, as strict as they
 * come. */
bool fuzz_is_json(struct gw_slice text);
