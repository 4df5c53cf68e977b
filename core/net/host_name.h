#pragma once
/* Names of hosts as they are asked for: what can be one, in one spelling. */
#include "base/slice.h"

#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#endif

#define GW_HOST_NAME_MAX 253

/* Lower case and without a dot at the end in `out`, NUL-terminated; false when no name can look
 * like that: "a..b", and numbers that some read as an address ("127.1", "0x7f.1"). */
bool gw_host_name_normalise(struct gw_slice name, char out[GW_HOST_NAME_MAX + 1], size_t *len);
