#include "base/encode.h"

static const char hex_digits[] = "0123456789abcdef";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void gw_hex_encode(struct gw_slice bytes, char *out)
{
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char byte = (unsigned char)bytes.ptr[i];

        *out++ = hex_digits[byte >> 4];
        *out++ = hex_digits[byte & 15];
    }
}

/* -1: none. */
static int hex_value(char c)
{
    c = gw_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool gw_hex_decode(struct gw_slice text, char *out)
{
    if (text.len % 2)
        return false;
    for (size_t i = 0; i < text.len; i += 2) {
        int high = hex_value(text.ptr[i]), low = hex_value(text.ptr[i + 1]);

        if (high < 0 || low < 0)
            return false;
        *out++ = (char)(high << 4 | low);
    }
    return true;
}

size_t gw_base64_encode(struct gw_slice bytes, bool url, char *out)
{
    const char *digits = url ? url_alphabet : alphabet;
    const unsigned char *at = (const unsigned char *)bytes.ptr;
    char *start = out;
    size_t left = bytes.len;

    for (; left >= 3; left -= 3, at += 3) {
        *out++ = digits[at[0] >> 2];
        *out++ = digits[(at[0] & 3) << 4 | at[1] >> 4];
        *out++ = digits[(at[1] & 15) << 2 | at[2] >> 6];
        *out++ = digits[at[2] & 63];
    }
    if (left == 0)
        return (size_t)(out - start);
    unsigned char second = left == 2 ? at[1] : 0;

    *out++ = digits[at[0] >> 2];
    *out++ = digits[(at[0] & 3) << 4 | second >> 4];
    if (left == 2)
        *out++ = digits[(second & 15) << 2];
    for (size_t i = left; !url && i < 3; i++)
        *out++ = '=';
    return (size_t)(out - start);
}

/* -1: not in the alphabet. */
static int base64_value(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    return c == (url ? '_' : '/') ? 63 : -1;
}

/* Takes "=" off the end; false when it is not as much as belongs there. */
static bool take_padding(struct gw_slice *text, bool url)
{
    size_t padding = 0;

    while (padding < 2 && text->len > padding && text->ptr[text->len - 1 - padding] == '=')
        padding++;
    if (text->len % 4 && (padding || !url))
        return false;
    text->len -= padding;
    return true;
}

bool gw_base64_decode(struct gw_slice text, bool url, char *out, size_t *len)
{
    char *start = out;
    uint32_t bits = 0;
    unsigned count = 0; /* of bits that were not written yet */

    if (!take_padding(&text, url) || text.len % 4 == 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        int value = base64_value(text.ptr[i], url);

        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        count += 6;
        if (count >= 8) {
            count -= 8;
            *out++ = (char)(bits >> count & 255);
        }
    }
    *len = (size_t)(out - start);
    return (bits & ((1u << count) - 1)) == 0;
}
