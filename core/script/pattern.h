#pragma once
/* Lua's patterns with an end to them: string.find, match, gmatch, gsub and rep for plugins that are
 * not trusted. They answer what Lua's own do, but count their steps and bytes, because nothing can
 * interrupt C. */
#ifndef GW_CDEF
#include <lua.h>
#include <stddef.h>
#endif

/* Steps of one call: this many, and a few for each byte it looks at. */
#define GW_PATTERN_STEPS 1000000
#define GW_PATTERN_STEPS_A_BYTE 8

/* Bytes that rep and gsub may make. */
#define GW_PATTERN_BYTES ((size_t)16 * 1024 * 1024)

#define GW_PATTERN_CAPTURES 32

#ifndef GW_CDEF

struct gw_pattern {
    lua_State *L;
    const char *subject, *subject_end, *pattern_end;
    size_t steps; /* left */
    unsigned depth;
    int level; /* captures, complete or not */
    struct {
        const char *start;
        ptrdiff_t len; /* or one of the two below */
    } captures[GW_PATTERN_CAPTURES];
};

enum {
    GW_CAPTURE_OPEN = -1,
    GW_CAPTURE_POSITION = -2,
};

void gw_pattern_init(struct gw_pattern *matcher, lua_State *L, const char *subject, size_t len,
                     const char *pattern, size_t pattern_len);

/* Where the match of the pattern that begins just there ends; NULL: none. Raises for a malformed
 * pattern and for one that takes too many steps. */
const char *gw_pattern_match(struct gw_pattern *matcher, const char *at, const char *pattern);

/* Leaves a table of the functions on the stack. */
void gw_pattern_push(lua_State *L);

#endif
