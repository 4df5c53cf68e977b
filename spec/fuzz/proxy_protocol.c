/* Headers of the PROXY protocol: fewer bytes never decide otherwise, and what was read is read as
 * the same when it is written anew. */
#include "fuzz.h"

#include "net/proxy_protocol.h"

static void check_same(const char *what, const struct gw_addr *a, const struct gw_addr *b)
{
    char one[GW_ADDR_TEXT_MAX], other[GW_ADDR_TEXT_MAX];

    fuzz_check_same(what, gw_slice(one, gw_addr_format(a, one)),
                    gw_slice(other, gw_addr_format(b, other)));
}

/* Cut short it asks for more or says no; it never takes a part for the whole. */
static void check_prefixes(struct gw_slice bytes, const struct gw_proxy_protocol *whole)
{
    struct gw_proxy_protocol header;

    for (size_t len = 0; len < whole->len; len++)
        FUZZ_CHECK(gw_proxy_protocol_parse(gw_slice(bytes.ptr, len), &header) ==
                       GW_PROXY_PROTOCOL_MORE,
                   "%zu of %zu bytes", len, whole->len);
    FUZZ_CHECK(gw_proxy_protocol_parse(gw_slice(bytes.ptr, whole->len), &header) ==
                       GW_PROXY_PROTOCOL_WHOLE &&
                   header.len == whole->len,
               "what follows counts");
}

static void check_written(const struct gw_proxy_protocol *header)
{
    char out[GW_PROXY_PROTOCOL_WRITE_MAX];
    struct gw_proxy_protocol again;
    size_t len =
        gw_proxy_protocol_write(header->version, &header->source, &header->destination, out);

    FUZZ_CHECK(len <= sizeof(out), "length %zu", len);
    FUZZ_CHECK(gw_proxy_protocol_parse(gw_slice(out, len), &again) == GW_PROXY_PROTOCOL_WHOLE,
               "what we write is no header");
    FUZZ_CHECK(again.len == len && again.version == header->version, "length or version");
    check_same("source", &header->source, &again.source);
    check_same("destination", &header->destination, &again.destination);
}

GW_FUZZ_TARGET(proxy_protocol)
{
    char *owned;
    struct gw_slice bytes = fuzz_copy(data, size, &owned);
    struct gw_proxy_protocol header = { 0 };

    switch (gw_proxy_protocol_parse(bytes, &header)) {
    case GW_PROXY_PROTOCOL_MORE:
        FUZZ_CHECK(bytes.len < GW_PROXY_PROTOCOL_MAX, "waits for ever");
        break;
    case GW_PROXY_PROTOCOL_WRONG:
        FUZZ_CHECK(header.problem && header.problem[0], "no reason");
        break;
    case GW_PROXY_PROTOCOL_WHOLE:
        FUZZ_CHECK(header.len > 0 && header.len <= bytes.len && header.len <= GW_PROXY_PROTOCOL_MAX,
                   "length %zu", header.len);
        check_prefixes(bytes, &header);
        check_written(&header);
        break;
    }
    free(owned);
    return 0;
}
