#pragma once
/* Fields behind a body. */
#include "base/slice.h"

/* RFC 9110 6.5.1: what frames, routes, identifies or authorises cannot come when all that is
 * decided, however it is spelled (gw_token_spelling()). `name` in lower case. */
bool gw_trailer_allowed(struct gw_slice name);
