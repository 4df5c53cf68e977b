#include "base/json.h"

#include "base/utf8.h"

static bool append_escaped(struct gw_buf *out, unsigned char c)
{
    switch (c) {
    case '"':
        return gw_buf_append(out, GW_SLICE("\\\""));
    case '\\':
        return gw_buf_append(out, GW_SLICE("\\\\"));
    case '\n':
        return gw_buf_append(out, GW_SLICE("\\n"));
    case '\r':
        return gw_buf_append(out, GW_SLICE("\\r"));
    case '\t':
        return gw_buf_append(out, GW_SLICE("\\t"));
    default:
        return gw_buf_printf(out, "\\u%04x", (unsigned)c);
    }
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

bool gw_json_string(struct gw_buf *out, struct gw_slice text)
{
    size_t at = 0, before = out->len;
    bool good = gw_buf_append_char(out, '"');

    while (good && at < text.len) {
        const unsigned char *here = (const unsigned char *)text.ptr + at;
        size_t len = 0;

        while (at + len < text.len && is_plain(here[len]))
            len++;
        if (len == 0 && here[0] >= 0x80)
            len = gw_utf8_length(gw_slice_skip(text, at));
        if (len > 0) {
            good = gw_buf_append(out, gw_slice(text.ptr + at, len));
            at += len;
            continue;
        }
        good = here[0] >= 0x80 ? gw_buf_append(out, GW_SLICE("\xef\xbf\xbd"))
                               : append_escaped(out, here[0]);
        at++;
    }
    good = good && gw_buf_append_char(out, '"');
    if (!good)
        out->len = before;
    return good;
}
