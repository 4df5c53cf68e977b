#pragma once
/* The date of HTTP (RFC 9110 5.6.7): "Sun, 06 Nov 1994 08:49:37 GMT". */
#include "base/slice.h"

/* Borrowed until the next call on this thread; made anew once a second. */
struct gw_slice gw_http_date(int64_t wall_us);

/* Seconds since 1970 of a date in that form, from 1970 on; false for anything else, the two
 * obsolete forms among it. */
bool gw_http_date_parse(struct gw_slice text, int64_t *second);
