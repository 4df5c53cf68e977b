#pragma once
/* The path half of http/uri.h: which bytes may stand in a path, and the one form every part of the
 * gateway sees. */
#include "base/arena.h"
#include "base/error.h"

/* `path` must start with "/" and holds no "?". Without anything to change the result is `path`
 * itself, else it lives in the arena. */
enum gw_error gw_uri_path_normalise(struct gw_slice path, struct gw_arena *arena,
                                    struct gw_slice *normalised);

/* The value of a hexadecimal digit, or -1. */
int gw_hex_value(char c);
