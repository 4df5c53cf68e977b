#include "base/buf.h"

#include "base/alloc.h"
#include "base/check.h"

#include <stdio.h>

#define FIRST_CAPACITY 256

void gw_buf_init(struct gw_buf *buf, size_t max)
{
    *buf = (struct gw_buf){ .max = max };
}

void gw_buf_deinit(struct gw_buf *buf)
{
    gw_free(buf->data);
    *buf = (struct gw_buf){ 0 };
}

char *gw_buf_reserve(struct gw_buf *buf, size_t len)
{
    GW_ASSERT(buf->len <= buf->max);
    if (len > buf->max - buf->len)
        return NULL;
    size_t need = buf->len + len;

    if (need > buf->capacity || !buf->data) {
        size_t capacity = buf->capacity ? buf->capacity : FIRST_CAPACITY;

        while (capacity < need)
            capacity = capacity > buf->max / 2 ? buf->max : capacity * 2;
        buf->data = gw_realloc(buf->data, capacity + 1); /* a byte for the NUL of gw_buf_printf */
        buf->capacity = capacity;
    }
    return buf->data + buf->len;
}

bool gw_buf_append(struct gw_buf *buf, struct gw_slice bytes)
{
    if (bytes.len == 0)
        return true;
    char *place = gw_buf_reserve(buf, bytes.len);

    if (!place)
        return false;
    memcpy(place, bytes.ptr, bytes.len);
    buf->len += bytes.len;
    return true;
}

bool gw_buf_printf(struct gw_buf *buf, const char *format, ...)
{
    va_list args;
    va_list again;

    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    GW_ASSERT(len >= 0);
    char *place = gw_buf_reserve(buf, (size_t)len);

    if (place) {
        vsnprintf(place, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return place != NULL;
}

void gw_buf_consume(struct gw_buf *buf, size_t len)
{
    GW_ASSERT(len <= buf->len);
    buf->len -= len;
    if (buf->len)
        memmove(buf->data, buf->data + len, buf->len);
}
