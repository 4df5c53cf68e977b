#include "http/trailer.h"

#include "base/check.h"
#include "http/token.h"

bool gw_trailer_allowed(struct gw_slice name)
{
    static const struct gw_slice names[] = {
#define NAME(literal) { literal, sizeof(literal) - 1 }
        NAME("host"),
        NAME("transfer-encoding"),
        NAME("connection"),
        NAME("te"),
        NAME("trailer"),
        NAME("upgrade"),
        NAME("keep-alive"),
        NAME("authorization"),
        NAME("cookie"),
        NAME("set-cookie"),
        NAME("www-authenticate"),
        NAME("proxy-authorization"),
        NAME("expect"),
        NAME("proxy-authenticate"),
        NAME("proxy-connection"),
        NAME("cache-control"),
        NAME("max-forwards"),
        NAME("pragma"),
        NAME("range"),
        NAME("age"),
        NAME("date"),
        NAME("expires"),
        NAME("location"),
        NAME("retry-after"),
        NAME("vary"),
        NAME("forwarded"),
        NAME("x-real-ip"),
        NAME("proxy"),
        NAME("via"),
        NAME("http2-settings"),
    };
    static const struct gw_slice prefixes[] = {
        NAME("content-"),     NAME("x-forwarded"),          NAME("x-consumer"),
        NAME("if-"),          NAME("access-control-"),      NAME("x-authenticated"),
        NAME("x-credential"), NAME("x-anonymous-consumer"),
#undef NAME
    };

    char spelling[GW_TOKEN_SPELLING_MAX];

    name = gw_token_spelling(name, spelling);
    for (size_t i = 0; i < GW_ARRAY_LEN(names); i++)
        if (gw_slice_equal(name, names[i]))
            return false;
    for (size_t i = 0; i < GW_ARRAY_LEN(prefixes); i++)
        if (gw_slice_starts_with(name, prefixes[i]))
            return false;
    return true;
}
