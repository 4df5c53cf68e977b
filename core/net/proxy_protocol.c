/* Version 1 is a line of at most 107 bytes, version 2 a binary block: signature, command, family,
 * length, addresses, then extensions (TLVs). Extensions are looked at only to see that they are
 * whole and, where the sender added a checksum, that it is right: nothing of them goes any
 * further. */
#include "net/proxy_protocol.h"

#include <arpa/inet.h>
#include <stdio.h>

#define V1_PREFIX GW_SLICE("PROXY ")
#define V1_MAX 107 /* with its CR LF */

#define V2_SIGNATURE GW_SLICE("\r\n\r\n\0\r\nQUIT\n")
#define V2_FIXED 16 /* signature, command, family, length */

enum {
    V2_LOCAL = 0x20,
    V2_PROXY = 0x21,

    V2_UNSPEC = 0x00,
    V2_TCP4 = 0x11,
    V2_TCP6 = 0x21,
    V2_UNIX = 0x31, /* a stream */

    V2_TCP4_BYTES = 12,
    V2_TCP6_BYTES = 36,
    V2_UNIX_BYTES = 216,

    TLV_HEAD = 3, /* type and length */
    TLV_CRC32C = 0x03,
    CRC32C_BYTES = 4,
};

static enum gw_proxy_protocol_result wrong(struct gw_proxy_protocol *header, const char *problem)
{
    header->problem = problem;
    return GW_PROXY_PROTOCOL_WRONG;
}

/* ── version 1 ─────────────────────────────────────────────────────────────── */

/* Cuts the first word off; exactly one space stands between two. */
static struct gw_slice cut_word(struct gw_slice *line)
{
    const char *space = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
    size_t len = space ? (size_t)(space - line->ptr) : line->len;
    struct gw_slice word = gw_slice(line->ptr, len);

    *line = gw_slice_skip(*line, space ? len + 1 : len);
    return word;
}

static bool parse_address(struct gw_addr *addr, int family, struct gw_slice ip,
                          struct gw_slice port)
{
    uint16_t number;

    return gw_addr_parse_port(port, &number) && ip.len && ip.ptr[0] != '[' &&
           gw_addr_parse_ip(addr, ip, number) && addr->sa.any.sa_family == family;
}

/* What stands behind "PROXY TCP4 " or "PROXY TCP6 ". */
static bool parse_addresses(struct gw_proxy_protocol *header, int family, struct gw_slice line)
{
    struct gw_slice source = cut_word(&line);
    struct gw_slice destination = cut_word(&line);
    struct gw_slice source_port = cut_word(&line);

    /* The rest is one word: a space in it is no digit. */
    return parse_address(&header->source, family, source, source_port) &&
           parse_address(&header->destination, family, destination, line);
}

static enum gw_proxy_protocol_result parse_line(struct gw_proxy_protocol *header,
                                                struct gw_slice line)
{
    struct gw_slice protocol = cut_word(&line);
    int family = gw_slice_equal(protocol, GW_SLICE("TCP4"))   ? AF_INET
                 : gw_slice_equal(protocol, GW_SLICE("TCP6")) ? AF_INET6
                                                              : AF_UNSPEC;

    if (gw_slice_equal(protocol, GW_SLICE("UNKNOWN"))) /* the rest may be anything */
        return GW_PROXY_PROTOCOL_WHOLE;
    if (family == AF_UNSPEC)
        return wrong(header, "its protocol is not TCP4, TCP6 or UNKNOWN");
    if (!parse_addresses(header, family, line))
        return wrong(header, "its addresses are malformed");
    return GW_PROXY_PROTOCOL_WHOLE;
}

static enum gw_proxy_protocol_result parse_v1(struct gw_slice bytes,
                                              struct gw_proxy_protocol *header)
{
    size_t seen = bytes.len < V1_MAX ? bytes.len : V1_MAX;
    const char *feed = memchr(bytes.ptr, '\n', seen);
    size_t len = feed ? (size_t)(feed - bytes.ptr) + 1 : 0;

    header->version = 1;
    if (!feed)
        return seen < V1_MAX ? GW_PROXY_PROTOCOL_MORE
                             : wrong(header, "its line is longer than 107 bytes");
    if (memchr(bytes.ptr, '\r', len) != feed - 1)
        return wrong(header, "its line does not end with CR LF");
    header->len = len;
    return parse_line(header, gw_slice(bytes.ptr + V1_PREFIX.len, len - 2 - V1_PREFIX.len));
}

/* ── version 2 ─────────────────────────────────────────────────────────────── */

static size_t number_at(struct gw_slice bytes, size_t at)
{
    const unsigned char *two = (const unsigned char *)bytes.ptr + at;

    return (size_t)two[0] << 8 | two[1];
}

/* Castagnoli's, bit by bit: it is asked for once a connection, and only by those who send it. */
static uint32_t crc32c(uint32_t crc, struct gw_slice bytes)
{
    crc = ~crc;
    for (size_t i = 0; i < bytes.len; i++) {
        crc ^= (unsigned char)bytes.ptr[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    return ~crc;
}

/* The checksum at `at` covers the whole header, with zeros in its own place. */
static bool checksum_fits(struct gw_slice whole, size_t at)
{
    const struct gw_slice zeros = GW_SLICE("\0\0\0\0");
    uint32_t crc = crc32c(0, gw_slice(whole.ptr, at));

    crc = crc32c(crc, zeros);
    crc = crc32c(crc, gw_slice_skip(whole, at + CRC32C_BYTES));
    return crc == (uint32_t)(number_at(whole, at) << 16 | number_at(whole, at + 2));
}

/* NULL, or what is wrong with the extensions that begin at `at`. */
static const char *check_extensions(struct gw_slice whole, size_t at)
{
    bool summed = false;

    while (at < whole.len) {
        if (whole.len - at < TLV_HEAD || whole.len - at - TLV_HEAD < number_at(whole, at + 1))
            return "one of its extensions is cut off";
        size_t len = number_at(whole, at + 1);
        bool sums = whole.ptr[at] == TLV_CRC32C;

        at += TLV_HEAD;
        if (sums && (summed || len != CRC32C_BYTES))
            return "its checksum is malformed";
        if (sums && !checksum_fits(whole, at))
            return "its checksum does not fit";
        summed = summed || sums;
        at += len;
    }
    return NULL;
}

static struct gw_addr v4_at(struct gw_slice bytes, size_t ip, size_t port)
{
    struct gw_addr addr = { .len = sizeof(addr.sa.v4) };

    addr.sa.v4.sin_family = AF_INET;
    memcpy(&addr.sa.v4.sin_addr, bytes.ptr + ip, sizeof(addr.sa.v4.sin_addr));
    addr.sa.v4.sin_port = htons((uint16_t)number_at(bytes, port));
    return addr;
}

static struct gw_addr v6_at(struct gw_slice bytes, size_t ip, size_t port)
{
    struct gw_addr addr = { .len = sizeof(addr.sa.v6) };

    addr.sa.v6.sin6_family = AF_INET6;
    memcpy(&addr.sa.v6.sin6_addr, bytes.ptr + ip, sizeof(addr.sa.v6.sin6_addr));
    addr.sa.v6.sin6_port = htons((uint16_t)number_at(bytes, port));
    return addr;
}

static enum gw_proxy_protocol_result parse_block(struct gw_proxy_protocol *header,
                                                 struct gw_slice whole, size_t address_bytes)
{
    struct gw_slice addresses = gw_slice_skip(whole, V2_FIXED);
    const char *problem;

    if (addresses.len < address_bytes)
        return wrong(header, "its addresses are cut off");
    problem = check_extensions(whole, V2_FIXED + address_bytes);
    if (problem)
        return wrong(header, problem);
    if (address_bytes == V2_TCP4_BYTES) {
        header->source = v4_at(addresses, 0, 8);
        header->destination = v4_at(addresses, 4, 10);
    } else if (address_bytes == V2_TCP6_BYTES) {
        header->source = v6_at(addresses, 0, 32);
        header->destination = v6_at(addresses, 16, 34);
    }
    return GW_PROXY_PROTOCOL_WHOLE;
}

static enum gw_proxy_protocol_result parse_v2(struct gw_slice bytes,
                                              struct gw_proxy_protocol *header)
{
    header->version = 2;
    if (bytes.len < V2_FIXED)
        return GW_PROXY_PROTOCOL_MORE;
    unsigned char command = (unsigned char)bytes.ptr[12];
    unsigned char family = (unsigned char)bytes.ptr[13];
    size_t len = V2_FIXED + number_at(bytes, 14);

    if (command != V2_LOCAL && command != V2_PROXY)
        return wrong(header, "its version or command is unknown");
    if (len > GW_PROXY_PROTOCOL_MAX)
        return wrong(header, "it is longer than 4096 bytes");
    if (command == V2_PROXY && family != V2_UNSPEC && family != V2_TCP4 && family != V2_TCP6 &&
        family != V2_UNIX)
        return wrong(header, "its family is none that HTTP comes by");
    if (bytes.len < len)
        return GW_PROXY_PROTOCOL_MORE;
    struct gw_slice whole = gw_slice(bytes.ptr, len);

    header->len = len;
    if (command == V2_LOCAL || family == V2_UNSPEC) /* what follows means nothing: skipped */
        return GW_PROXY_PROTOCOL_WHOLE;
    return parse_block(header, whole,
                       family == V2_TCP4   ? V2_TCP4_BYTES
                       : family == V2_TCP6 ? V2_TCP6_BYTES
                                           : V2_UNIX_BYTES);
}

/* ── both ──────────────────────────────────────────────────────────────────── */

static bool begins_like(struct gw_slice bytes, struct gw_slice prefix)
{
    size_t len = bytes.len < prefix.len ? bytes.len : prefix.len;

    return memcmp(bytes.ptr, prefix.ptr, len) == 0;
}

enum gw_proxy_protocol_result gw_proxy_protocol_parse(struct gw_slice bytes,
                                                      struct gw_proxy_protocol *header)
{
    *header = (struct gw_proxy_protocol){ 0 };
    if (bytes.len == 0)
        return GW_PROXY_PROTOCOL_MORE;
    if (begins_like(bytes, V1_PREFIX))
        return parse_v1(bytes, header);
    if (begins_like(bytes, V2_SIGNATURE))
        return parse_v2(bytes, header);
    return wrong(header, "it begins with something else");
}

/* ── writing ───────────────────────────────────────────────────────────────── */

static bool is_ip(const struct gw_addr *addr)
{
    return addr->len && (addr->sa.any.sa_family == AF_INET || addr->sa.any.sa_family == AF_INET6);
}

/* Both addresses of a header have the same family: IPv4 as IPv6 where the other one is. */
static struct in6_addr v6_of(const struct gw_addr *addr)
{
    struct in6_addr v6 = { .s6_addr = { [10] = 0xff, [11] = 0xff } };

    if (addr->sa.any.sa_family == AF_INET6)
        return addr->sa.v6.sin6_addr;
    memcpy(v6.s6_addr + 12, &addr->sa.v4.sin_addr, 4);
    return v6;
}

static bool both_v4(const struct gw_addr *source, const struct gw_addr *destination)
{
    return source->sa.any.sa_family == AF_INET && destination->sa.any.sa_family == AF_INET;
}

static size_t write_v1(const struct gw_addr *source, const struct gw_addr *destination, char *out)
{
    char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
    bool v4 = both_v4(source, destination);

    if (v4) {
        inet_ntop(AF_INET, &source->sa.v4.sin_addr, from, sizeof(from));
        inet_ntop(AF_INET, &destination->sa.v4.sin_addr, to, sizeof(to));
    } else {
        struct in6_addr source6 = v6_of(source), destination6 = v6_of(destination);

        inet_ntop(AF_INET6, &source6, from, sizeof(from));
        inet_ntop(AF_INET6, &destination6, to, sizeof(to));
    }
    return (size_t)snprintf(out, GW_PROXY_PROTOCOL_WRITE_MAX, "PROXY %s %s %s %u %u\r\n",
                            v4 ? "TCP4" : "TCP6", from, to, (unsigned)gw_addr_port(source),
                            (unsigned)gw_addr_port(destination));
}

static size_t put(char *out, size_t at, const void *bytes, size_t len)
{
    memcpy(out + at, bytes, len);
    return at + len;
}

static size_t write_v2(const struct gw_addr *source, const struct gw_addr *destination, char *out)
{
    bool v4 = both_v4(source, destination);
    uint16_t ports[2] = { htons(gw_addr_port(source)), htons(gw_addr_port(destination)) };
    size_t at = 12;

    out[at++] = V2_PROXY;
    out[at++] = v4 ? V2_TCP4 : V2_TCP6;
    out[at++] = 0;
    out[at++] = v4 ? V2_TCP4_BYTES : V2_TCP6_BYTES;
    if (v4) {
        at = put(out, at, &source->sa.v4.sin_addr, 4);
        at = put(out, at, &destination->sa.v4.sin_addr, 4);
    } else {
        struct in6_addr source6 = v6_of(source), destination6 = v6_of(destination);

        at = put(out, at, &source6, sizeof(source6));
        at = put(out, at, &destination6, sizeof(destination6));
    }
    return put(out, at, ports, sizeof(ports));
}

size_t gw_proxy_protocol_write(unsigned version, const struct gw_addr *source,
                               const struct gw_addr *destination,
                               char out[GW_PROXY_PROTOCOL_WRITE_MAX])
{
    const struct gw_slice unknown = GW_SLICE("PROXY UNKNOWN\r\n");
    bool named = source && is_ip(source) && is_ip(destination);

    if (version == 1) {
        if (named)
            return write_v1(source, destination, out);
        return put(out, 0, unknown.ptr, unknown.len);
    }
    put(out, 0, V2_SIGNATURE.ptr, V2_SIGNATURE.len);
    if (named)
        return write_v2(source, destination, out);
    const char rest[] = { source ? V2_PROXY : V2_LOCAL, V2_UNSPEC, 0, 0 };

    return put(out, V2_SIGNATURE.len, rest, sizeof(rest));
}
