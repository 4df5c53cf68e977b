#include "net/addr.h"

#include "base/check.h"

#include <arpa/inet.h>
#include <stdio.h>

#define UNIX_PREFIX GW_SLICE("unix:")

bool gw_addr_parse_port(struct gw_slice text, uint16_t *port)
{
    unsigned value = 0;

    if (text.len == 0 || text.len > 5 || (text.ptr[0] == '0' && text.len > 1))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        value = value * 10 + (unsigned)(text.ptr[i] - '0');
    }
    *port = (uint16_t)value;
    return value <= UINT16_MAX;
}

static bool parse_unix(struct gw_addr *addr, struct gw_slice path)
{
    if (path.len == 0 || path.len >= sizeof(addr->sa.un.sun_path) || memchr(path.ptr, 0, path.len))
        return false;
    *addr = (struct gw_addr){ .len = sizeof(addr->sa.un) };
    addr->sa.un.sun_family = AF_UNIX;
    memcpy(addr->sa.un.sun_path, path.ptr, path.len);
    return true;
}

bool gw_addr_parse_ip(struct gw_addr *addr, struct gw_slice ip, uint16_t port)
{
    char text[INET6_ADDRSTRLEN];
    bool bracketed = ip.len >= 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']';

    if (bracketed)
        ip = gw_slice(ip.ptr + 1, ip.len - 2);
    if (ip.len == 0 || ip.len >= sizeof(text) || memchr(ip.ptr, 0, ip.len))
        return false;
    memcpy(text, ip.ptr, ip.len);
    text[ip.len] = '\0';
    *addr = (struct gw_addr){ 0 };
    /* inet_pton() is the strict one: four decimal parts without leading zeros, no zone ids. */
    if (!bracketed && inet_pton(AF_INET, text, &addr->sa.v4.sin_addr) == 1) {
        addr->sa.v4.sin_family = AF_INET;
        addr->sa.v4.sin_port = htons(port);
        addr->len = sizeof(addr->sa.v4);
        return true;
    }
    if (inet_pton(AF_INET6, text, &addr->sa.v6.sin6_addr) != 1)
        return false;
    addr->sa.v6.sin6_family = AF_INET6;
    addr->sa.v6.sin6_port = htons(port);
    addr->len = sizeof(addr->sa.v6);
    return true;
}

bool gw_addr_parse(struct gw_addr *addr, struct gw_slice text)
{
    uint16_t port;

    if (gw_slice_starts_with(text, UNIX_PREFIX))
        return parse_unix(addr, gw_slice_skip(text, UNIX_PREFIX.len));
    const char *colon = text.len ? memrchr(text.ptr, ':', text.len) : NULL;

    if (!colon)
        return false;
    struct gw_slice ip = gw_slice(text.ptr, (size_t)(colon - text.ptr));

    if (ip.len > 0 && ip.ptr[0] != '[' && memchr(ip.ptr, ':', ip.len))
        return false; /* an IPv6 address needs brackets: which colon is the port's? */
    return gw_addr_parse_port(gw_slice_skip(text, ip.len + 1), &port) &&
           gw_addr_parse_ip(addr, ip, port);
}

static size_t format_unix(const struct gw_addr *addr, char out[GW_ADDR_TEXT_MAX])
{
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t room = addr->len > offset ? addr->len - offset : 0; /* 0: a client that is not bound */
    size_t len = room ? strnlen(addr->sa.un.sun_path, room) : 0;

    return (size_t)snprintf(out, GW_ADDR_TEXT_MAX, "unix:%.*s", (int)len, addr->sa.un.sun_path);
}

/* By hand: every request needs its client's address, and inet_ntop() is printf() underneath. */
static void format_v4(const void *address, char *out)
{
    const unsigned char *bytes = address;

    for (int i = 0; i < 4; i++) {
        unsigned byte = bytes[i];

        if (byte >= 100)
            *out++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *out++ = (char)('0' + byte / 10 % 10);
        *out++ = (char)('0' + byte % 10);
        *out++ = i < 3 ? '.' : '\0';
    }
}

size_t gw_addr_format_ip(const struct gw_addr *addr, char out[GW_ADDR_TEXT_MAX])
{
    const struct in6_addr *v6 = &addr->sa.v6.sin6_addr;

    out[0] = '\0';
    switch (addr->len ? addr->sa.any.sa_family : AF_UNSPEC) {
    case AF_UNIX:
        memcpy(out, "unix:", sizeof("unix:"));
        break;
    case AF_INET:
        format_v4(&addr->sa.v4.sin_addr, out);
        break;
    case AF_INET6:
        if (IN6_IS_ADDR_V4MAPPED(v6))
            format_v4(v6->s6_addr + 12, out);
        else
            inet_ntop(AF_INET6, v6, out, GW_ADDR_TEXT_MAX);
        break;
    }
    return strlen(out);
}

size_t gw_addr_format(const struct gw_addr *addr, char out[GW_ADDR_TEXT_MAX])
{
    char ip[GW_ADDR_TEXT_MAX];

    if (addr->len == 0) {
        out[0] = '\0';
        return 0;
    }
    if (addr->sa.any.sa_family == AF_UNIX)
        return format_unix(addr, out);
    gw_addr_format_ip(addr, ip);
    const char *format = strchr(ip, ':') ? "[%s]:%u" : "%s:%u";

    /* inet_ntop() wrote at most 45 characters. */
    return (size_t)snprintf(out, GW_ADDR_TEXT_MAX, format, ip, gw_addr_port(addr));
}

size_t gw_addr_ip_bytes(const struct gw_addr *addr, unsigned char out[16])
{
    if (addr->len && addr->sa.any.sa_family == AF_INET) {
        memcpy(out, &addr->sa.v4.sin_addr, 4);
        return 4;
    }
    if (addr->len && addr->sa.any.sa_family == AF_INET6) {
        memcpy(out, &addr->sa.v6.sin6_addr, 16);
        return 16;
    }
    return 0;
}

uint16_t gw_addr_port(const struct gw_addr *addr)
{
    switch (addr->len ? addr->sa.any.sa_family : AF_UNSPEC) {
    case AF_INET:
        return ntohs(addr->sa.v4.sin_port);
    case AF_INET6:
        return ntohs(addr->sa.v6.sin6_port);
    }
    return 0;
}

bool gw_addr_equal(const struct gw_addr *a, const struct gw_addr *b)
{
    if (a->len == 0 || b->len == 0)
        return a->len == b->len;
    if (a->sa.any.sa_family != b->sa.any.sa_family)
        return false;
    switch (a->sa.any.sa_family) {
    case AF_INET:
        return a->sa.v4.sin_port == b->sa.v4.sin_port &&
               a->sa.v4.sin_addr.s_addr == b->sa.v4.sin_addr.s_addr;
    case AF_INET6:
        return a->sa.v6.sin6_port == b->sa.v6.sin6_port &&
               a->sa.v6.sin6_scope_id == b->sa.v6.sin6_scope_id &&
               memcmp(&a->sa.v6.sin6_addr, &b->sa.v6.sin6_addr, sizeof(a->sa.v6.sin6_addr)) == 0;
    case AF_UNIX:
        return a->len == b->len && memcmp(&a->sa.un, &b->sa.un, a->len) == 0;
    }
    return false;
}
