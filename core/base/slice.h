#pragma once
/* Bytes that somebody else owns. Valid as long as the call, unless the function says longer. */
#ifndef GW_CDEF
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#endif

struct gw_slice {
    const char *ptr; /* NULL only with len 0 */
    size_t len;
};

#ifndef GW_CDEF

/* A slice of a string literal. */
#define GW_SLICE(literal) ((struct gw_slice){ "" literal, sizeof(literal) - 1 })

#define GW_SLICE_EMPTY ((struct gw_slice){ NULL, 0 })

/* For printf: "%.*s". */
#define GW_SLICE_ARG(slice) (int)(slice).len, (slice).ptr ? (slice).ptr : ""

static inline struct gw_slice gw_slice(const char *ptr, size_t len)
{
    return (struct gw_slice){ ptr, len };
}

/* Of a NUL-terminated string; NULL gives the empty slice. */
static inline struct gw_slice gw_slice_from(const char *text)
{
    return (struct gw_slice){ text, text ? strlen(text) : 0 };
}

static inline bool gw_slice_equal(struct gw_slice a, struct gw_slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool gw_slice_starts_with(struct gw_slice slice, struct gw_slice prefix)
{
    return slice.len >= prefix.len &&
           (prefix.len == 0 || memcmp(slice.ptr, prefix.ptr, prefix.len) == 0);
}

/* From `from` to the end; past the end it is empty. */
static inline struct gw_slice gw_slice_skip(struct gw_slice slice, size_t from)
{
    if (from >= slice.len)
        return (struct gw_slice){ slice.ptr ? slice.ptr + slice.len : NULL, 0 };
    return (struct gw_slice){ slice.ptr + from, slice.len - from };
}

static inline char gw_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline bool gw_is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ASCII only, whatever the locale. */
bool gw_slice_equal_nocase(struct gw_slice a, struct gw_slice b);

/* Without spaces and tabs at both ends (OWS of RFC 9110 5.6.3). */
static inline struct gw_slice gw_slice_trim(struct gw_slice slice)
{
    while (slice.len && gw_is_blank(slice.ptr[0])) {
        slice.ptr++;
        slice.len--;
    }
    while (slice.len && gw_is_blank(slice.ptr[slice.len - 1]))
        slice.len--;
    return slice;
}

/* Cuts the next item off a list separated by `separator`, trimmed; false when nothing is left.
 * Empty items are returned as empty slices. */
bool gw_slice_next(struct gw_slice *rest, char separator, struct gw_slice *item);

/* A decimal number of digits only, at most INT64_MAX; false for anything else, the empty slice
 * too. */
bool gw_slice_to_int64(struct gw_slice slice, int64_t *value);

#endif
