/* moongate.crypto: bytes as text. */
#include "base/encode.h"
#include "script/modules.h"

double gw_pdk_hex_encode(const char *bytes, size_t len, char *out)
{
    gw_hex_encode(gw_slice(bytes, len), out);
    return (double)gw_hex_length(len);
}

double gw_pdk_hex_decode(const char *text, size_t len, char *out)
{
    return gw_hex_decode(gw_slice(text, len), out) ? (double)(len / 2) : -1;
}

double gw_pdk_base64_encode(const char *bytes, size_t len, int url, char *out)
{
    return (double)gw_base64_encode(gw_slice(bytes, len), url, out);
}

double gw_pdk_base64_decode(const char *text, size_t len, int url, char *out)
{
    size_t written;

    return gw_base64_decode(gw_slice(text, len), url, out, &written) ? (double)written : -1;
}
