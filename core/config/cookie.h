#pragma once
/* The Cookie header, pair by pair (RFC 6265 4.2). */
#include "base/slice.h"

/* Takes the next "name=value" off the front; what is none is passed over. False at the end. */
bool gw_cookie_next(struct gw_slice *pairs, struct gw_slice *name, struct gw_slice *value);
