#pragma once
/* A growing byte buffer. Its maximum is an argument, because whatever grows by foreign bytes has a
 * limit. */
#include "base/slice.h"

#include <stdarg.h>

struct gw_buf {
    char *data; /* NULL while empty; owned */
    size_t len;
    size_t capacity;
    size_t max; /* never more than this many bytes */
};

void gw_buf_init(struct gw_buf *buf, size_t max);
void gw_buf_deinit(struct gw_buf *buf); /* frees; usable again after init */

/* False, and nothing changed, when it would pass the maximum. */
bool gw_buf_append(struct gw_buf *buf, struct gw_slice bytes);
bool gw_buf_printf(struct gw_buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for `len` more bytes at the returned place, or NULL past the maximum; add to buf->len what
 * was written. */
char *gw_buf_reserve(struct gw_buf *buf, size_t len);

/* Takes bytes away at the front. */
void gw_buf_consume(struct gw_buf *buf, size_t len);

static inline bool gw_buf_append_char(struct gw_buf *buf, char c)
{
    return gw_buf_append(buf, gw_slice(&c, 1));
}

/* Borrowed until the next change. */
static inline struct gw_slice gw_buf_slice(const struct gw_buf *buf)
{
    return (struct gw_slice){ buf->data, buf->len };
}

/* Empties it; the memory stays. */
static inline void gw_buf_clear(struct gw_buf *buf)
{
    buf->len = 0;
}
