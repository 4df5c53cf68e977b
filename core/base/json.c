#include "base/json.h"

/* The length of the UTF-8 sequence at the start (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF), or 0. */
static size_t sequence_length(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0];
    unsigned char low = 0x80, high = 0xbf;
    size_t len;

    if (lead >= 0xc2 && lead <= 0xdf)
        len = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        len = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        len = 4;
    else
        return 0;
    if (left < len)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    if (at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++)
        if (at[i] < 0x80 || at[i] > 0xbf)
            return 0;
    return len;
}

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
            len = sequence_length(here, text.len - at);
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
