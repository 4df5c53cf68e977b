#include "base/slice.h"

bool gw_slice_equal_nocase(struct gw_slice a, struct gw_slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (a.ptr[i] != b.ptr[i] && gw_lower(a.ptr[i]) != gw_lower(b.ptr[i]))
            return false;
    return true;
}

bool gw_slice_next(struct gw_slice *rest, char separator, struct gw_slice *item)
{
    if (!rest->ptr)
        return false;
    const char *end = rest->len ? memchr(rest->ptr, separator, rest->len) : NULL;
    size_t len = end ? (size_t)(end - rest->ptr) : rest->len;

    *item = gw_slice_trim(gw_slice(rest->ptr, len));
    if (end)
        *rest = gw_slice_skip(*rest, len + 1);
    else
        *rest = GW_SLICE_EMPTY;
    return true;
}

bool gw_slice_to_int64(struct gw_slice slice, int64_t *value)
{
    int64_t sum = 0;

    if (slice.len == 0)
        return false;
    for (size_t i = 0; i < slice.len; i++) {
        char c = slice.ptr[i];

        if (c < '0' || c > '9')
            return false;
        if (__builtin_mul_overflow(sum, 10, &sum) || __builtin_add_overflow(sum, c - '0', &sum))
            return false;
    }
    *value = sum;
    return true;
}
