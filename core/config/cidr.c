#include "config/cidr.h"

#include "base/alloc.h"
#include "base/check.h"
#include "config/config.h"

#include <arpa/inet.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 uint128;

struct range4 {
    uint32_t first, last;
};

struct range6 {
    uint128 first, last;
};

struct gw_cidr_set {
    struct range4 *v4;
    struct range6 *v6;
    size_t v4_count, v4_capacity, v6_count, v6_capacity;
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
    gw_free(set->v4);
    gw_free(set->v6);
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

static uint32_t to_v4(const struct gw_addr_bytes *addr)
{
    uint32_t value = 0;

    for (unsigned i = 0; i < 4; i++)
        value = value << 8 | addr->bytes[i];
    return value;
}

static uint128 to_v6(const struct gw_addr_bytes *addr)
{
    uint128 value = 0;

    for (unsigned i = 0; i < 16; i++)
        value = value << 8 | addr->bytes[i];
    return value;
}

static void *grow(void *array, size_t count, size_t *capacity, size_t item)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity ? *capacity * 2 : 8;
    return gw_realloc(array, *capacity * item);
}

const char *gw_cidr_set_add(struct gw_cidr_set *set, const char *text, size_t len)
{
    struct gw_addr_bytes addr = { .len = 0 };
    unsigned prefix;
    const char *wrong = parse_network(&addr, &prefix, text, len);

    GW_ASSERT(!set->sealed);
    if (wrong)
        return wrong;
    if (addr.len == 4) {
        uint32_t hosts = prefix == 0 ? UINT32_MAX : prefix == 32 ? 0 : UINT32_MAX >> prefix;

        set->v4 = grow(set->v4, set->v4_count, &set->v4_capacity, sizeof(*set->v4));
        set->v4[set->v4_count++] =
            (struct range4){ to_v4(&addr) & ~hosts, to_v4(&addr) | hosts };
        return NULL;
    }
    uint128 hosts = prefix == 128 ? 0 : ~(uint128)0 >> prefix;

    set->v6 = grow(set->v6, set->v6_count, &set->v6_capacity, sizeof(*set->v6));
    set->v6[set->v6_count++] = (struct range6){ to_v6(&addr) & ~hosts, to_v6(&addr) | hosts };
    return NULL;
}

static int compare4(const void *a, const void *b)
{
    const struct range4 *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

static int compare6(const void *a, const void *b)
{
    const struct range6 *left = a, *right = b;

    return (left->first > right->first) - (left->first < right->first);
}

static size_t merge4(struct range4 *ranges, size_t count)
{
    size_t kept = 0;

    for (size_t i = 1; i < count; i++) {
        if (ranges[kept].last == UINT32_MAX || ranges[i].first <= ranges[kept].last + 1) {
            if (ranges[i].last > ranges[kept].last)
                ranges[kept].last = ranges[i].last;
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    return count ? kept + 1 : 0;
}

static size_t merge6(struct range6 *ranges, size_t count)
{
    size_t kept = 0;

    for (size_t i = 1; i < count; i++) {
        if (ranges[kept].last == ~(uint128)0 || ranges[i].first <= ranges[kept].last + 1) {
            if (ranges[i].last > ranges[kept].last)
                ranges[kept].last = ranges[i].last;
        } else {
            ranges[++kept] = ranges[i];
        }
    }
    return count ? kept + 1 : 0;
}

void gw_cidr_set_seal(struct gw_cidr_set *set)
{
    if (set->v4_count)
        qsort(set->v4, set->v4_count, sizeof(*set->v4), compare4);
    if (set->v6_count)
        qsort(set->v6, set->v6_count, sizeof(*set->v6), compare6);
    set->v4_count = merge4(set->v4, set->v4_count);
    set->v6_count = merge6(set->v6, set->v6_count);
    set->sealed = true;
}

static bool has4(const struct gw_cidr_set *set, uint32_t addr)
{
    size_t from = 0, to = set->v4_count;

    while (from < to) { /* the first range that ends at or behind addr */
        size_t middle = from + (to - from) / 2;

        if (set->v4[middle].last < addr)
            from = middle + 1;
        else
            to = middle;
    }
    return from < set->v4_count && set->v4[from].first <= addr;
}

static bool has6(const struct gw_cidr_set *set, uint128 addr)
{
    size_t from = 0, to = set->v6_count;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (set->v6[middle].last < addr)
            from = middle + 1;
        else
            to = middle;
    }
    return from < set->v6_count && set->v6[from].first <= addr;
}

bool gw_cidr_set_has(const struct gw_cidr_set *set, const struct gw_addr_bytes *addr)
{
    if (!set)
        return false;
    GW_ASSERT(set->sealed && (addr->len == 4 || addr->len == 16));
    struct gw_addr_bytes plain = *addr;

    unmap(&plain);
    return plain.len == 4 ? has4(set, to_v4(&plain)) : has6(set, to_v6(&plain));
}

size_t gw_cidr_set_count(const struct gw_cidr_set *set)
{
    return set->v4_count + set->v6_count;
}
