#include "config/cidr.h"

#include "base/alloc.h"
#include "base/check.h"
#include "config/config.h"

#include <arpa/inet.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 uint128;

struct range {
    uint128 first, last;
};

struct ranges {
    struct range *items;
    size_t count, capacity;
};

struct gw_cidr_set {
    struct ranges v4, v6;
    bool unix_sockets;
    bool sealed;
};

struct gw_cidr_set *gw_cidr_set_new(void)
{
    return gw_alloc_zero(sizeof(struct gw_cidr_set));
}

void gw_cidr_set_free(struct gw_cidr_set *set)
{
    if (!set)
        return;
    gw_free(set->v4.items);
    gw_free(set->v6.items);
    gw_free(set);
}

static void unmap(struct gw_addr_bytes *addr)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (addr->len != 16 || memcmp(addr->bytes, mapped, sizeof(mapped)) != 0)
        return;
    memmove(addr->bytes, addr->bytes + 12, 4);
    addr->len = 4;
}

/* 010.0.0.1 is 8.0.0.1 to some and 10.0.0.1 to others, so it is neither here. */
static bool has_leading_zero(const char *text)
{
    for (const char *at = text; *at; at++) {
        bool begins = at == text || at[-1] == '.' || at[-1] == ':';

        if (begins && at[0] == '0' && at[1] >= '0' && at[1] <= '9')
            return true;
    }
    return false;
}

static const char *parse_addr(struct gw_addr_bytes *addr, const char *text, size_t len)
{
    char copy[INET6_ADDRSTRLEN];

    if (len == 0)
        return "an IP address is missing";
    if (len >= sizeof(copy) || memchr(text, '\0', len))
        return "not an IP address";
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (strchr(copy, '%'))
        return "zone ids are not allowed in addresses";
    bool v6 = strchr(copy, ':');

    if (strchr(copy, '.') && has_leading_zero(strrchr(copy, ':') ? strrchr(copy, ':') + 1 : copy))
        return "numbers with leading zeros are ambiguous in IPv4 addresses";
    if (inet_pton(v6 ? AF_INET6 : AF_INET, copy, addr->bytes) != 1)
        return "not an IP address";
    addr->len = v6 ? 16 : 4;
    return NULL;
}

const char *gw_addr_bytes_parse(struct gw_addr_bytes *addr, const char *text, size_t len)
{
    const char *wrong = parse_addr(addr, text, len);

    if (!wrong)
        unmap(addr);
    return wrong;
}

/* "10.0.0.0/8": the prefix is a plain decimal without sign or leading zero. */
static const char *parse_network(struct gw_addr_bytes *addr, unsigned *prefix, const char *text,
                                 size_t len)
{
    struct gw_slice whole = gw_slice(text, len);
    const char *slash = len ? memchr(text, '/', len) : NULL;
    size_t addr_len = slash ? (size_t)(slash - text) : len;
    const char *wrong = parse_addr(addr, text, addr_len);
    int64_t bits = addr->len * 8;

    if (wrong)
        return wrong;
    if (slash) {
        struct gw_slice digits = gw_slice_skip(whole, addr_len + 1);

        if (digits.len > 3 || (digits.len > 1 && digits.ptr[0] == '0') ||
            !gw_slice_to_int64(digits, &bits) || bits > addr->len * 8)
            return addr->len == 4 ? "the prefix length must be 0 to 32"
                                  : "the prefix length must be 0 to 128";
    }
    if (addr->len == 16 && bits >= 96) {
        unmap(addr);
        bits -= addr->len == 4 ? 96 : 0;
    }
    *prefix = (unsigned)bits;
    return NULL;
}

const char *gw_cidr_check(const char *text, size_t len)
{
    struct gw_addr_bytes addr = { .len = 0 };
    unsigned prefix;

    return parse_network(&addr, &prefix, text, len);
}

static uint128 to_number(const struct gw_addr_bytes *addr)
{
    uint128 value = 0;

    for (unsigned i = 0; i < addr->len; i++)
        value = value << 8 | addr->bytes[i];
    return value;
}

static struct ranges *ranges_of(struct gw_cidr_set *set, const struct gw_addr_bytes *addr)
{
    return addr->len == 4 ? &set->v4 : &set->v6;
}

static void append(struct ranges *ranges, struct range range)
{
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity ? ranges->capacity * 2 : 8;
        ranges->items = gw_realloc(ranges->items, ranges->capacity * sizeof(*ranges->items));
    }
    ranges->items[ranges->count++] = range;
}

const char *gw_cidr_set_add(struct gw_cidr_set *set, const char *text, size_t len)
{
    struct gw_addr_bytes addr = { .len = 0 };
    unsigned prefix;
    const char *wrong = parse_network(&addr, &prefix, text, len);

    GW_ASSERT(!set->sealed);
    if (wrong)
        return wrong;
    unsigned free_bits = addr.len * 8 - prefix;
    uint128 hosts = free_bits == 128 ? ~(uint128)0 : ((uint128)1 << free_bits) - 1;

    append(ranges_of(set, &addr),
           (struct range){ to_number(&addr) & ~hosts, to_number(&addr) | hosts });
    return NULL;
}

void gw_cidr_set_add_unix(struct gw_cidr_set *set)
{
    GW_ASSERT(!set->sealed);
    set->unix_sockets = true;
}

static int by_first(const void *a, const void *b)
{
    const struct range *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

static void merge(struct ranges *ranges)
{
    struct range *items = ranges->items;
    size_t kept = 0;

    if (ranges->count == 0)
        return;
    qsort(items, ranges->count, sizeof(*items), by_first);
    for (size_t i = 1; i < ranges->count; i++) {
        if (items[kept].last != ~(uint128)0 && items[i].first > items[kept].last + 1)
            items[++kept] = items[i];
        else if (items[i].last > items[kept].last)
            items[kept].last = items[i].last;
    }
    ranges->count = kept + 1;
}

void gw_cidr_set_seal(struct gw_cidr_set *set)
{
    merge(&set->v4);
    merge(&set->v6);
    set->sealed = true;
}

static bool has(const struct ranges *ranges, uint128 addr)
{
    size_t from = 0, to = ranges->count;

    while (from < to) { /* the first range that ends at or behind addr */
        size_t middle = from + (to - from) / 2;

        if (ranges->items[middle].last < addr)
            from = middle + 1;
        else
            to = middle;
    }
    return from < ranges->count && ranges->items[from].first <= addr;
}

bool gw_cidr_set_has(const struct gw_cidr_set *set, const struct gw_addr_bytes *addr)
{
    if (!set)
        return false;
    GW_ASSERT(set->sealed);
    if (addr->len == GW_ADDR_BYTES_UNIX)
        return set->unix_sockets;
    GW_ASSERT(addr->len == 4 || addr->len == 16);
    struct gw_addr_bytes plain = *addr;

    unmap(&plain);
    return has(plain.len == 4 ? &set->v4 : &set->v6, to_number(&plain));
}

size_t gw_cidr_set_count(const struct gw_cidr_set *set)
{
    return set->v4.count + set->v6.count;
}
