#include "config/cookie.h"

static struct gw_slice trim(struct gw_slice text)
{
    while (text.len && (text.ptr[0] == ' ' || text.ptr[0] == '\t'))
        text = gw_slice_skip(text, 1);
    while (text.len && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\t'))
        text.len--;
    return text;
}

bool gw_cookie_next(struct gw_slice *pairs, struct gw_slice *name, struct gw_slice *value)
{
    while (pairs->len) {
        const char *end = memchr(pairs->ptr, ';', pairs->len);
        size_t len = end ? (size_t)(end - pairs->ptr) : pairs->len;
        struct gw_slice pair = trim(gw_slice(pairs->ptr, len));
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;

        *pairs = gw_slice_skip(*pairs, end ? len + 1 : len);
        if (!equals || equals == pair.ptr)
            continue;
        *name = gw_slice(pair.ptr, (size_t)(equals - pair.ptr));
        *value = gw_slice_skip(pair, name->len + 1);
        return true;
    }
    return false;
}
