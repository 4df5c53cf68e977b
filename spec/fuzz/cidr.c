/* Networks and addresses as text. Each word is tried as both; a set of networks answers as asking
 * one after the other does, bit by bit. */
#include "fuzz.h"

#include "config/cidr.h"
#include "config/config.h"

#include <arpa/inet.h>

#define NETWORKS_MAX 16

struct network {
    unsigned char bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;
};

static void widen(const struct gw_addr_bytes *addr, unsigned char out[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (addr->len == 16) {
        memcpy(out, addr->bytes, 16);
        return;
    }
    memcpy(out, mapped, 12);
    memcpy(out + 12, addr->bytes, 4);
}

/* What was accepted, read in another way. */
static void read_network(struct gw_slice word, struct network *network)
{
    char text[64];
    unsigned char four[4];
    char *slash;

    FUZZ_CHECK(word.len < sizeof(text), "accepted %zu bytes", word.len);
    memcpy(text, word.ptr, word.len);
    text[word.len] = '\0';
    FUZZ_CHECK(strlen(text) == word.len, "accepted a NUL");
    slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, text, four) == 1) {
        struct gw_addr_bytes addr = { .len = 4 };

        memcpy(addr.bytes, four, 4);
        widen(&addr, network->bytes);
        network->bits = 96 + (slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 32);
    } else {
        FUZZ_CHECK(inet_pton(AF_INET6, text, network->bytes) == 1, "accepted %s", text);
        network->bits = slash ? (unsigned)strtoul(slash + 1, NULL, 10) : 128;
    }
    FUZZ_CHECK(network->bits <= 128, "accepted %.*s", GW_SLICE_ARG(word));
}

/* IPv4 stands apart: "::/0" is IPv6 alone. */
static bool covers(const struct network *network, const unsigned char addr[16])
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

    if (memcmp(addr, mapped, sizeof(mapped)) == 0 && network->bits < 96)
        return false;
    for (unsigned bit = 0; bit < network->bits; bit++)
        if ((network->bytes[bit / 8] ^ addr[bit / 8]) >> (7 - bit % 8) & 1)
            return false;
    return true;
}

GW_FUZZ_TARGET(cidr)
{
    char *owned;
    struct gw_slice rest = fuzz_copy(data, size, &owned), word, words = rest;
    struct gw_cidr_set *set = gw_cidr_set_new();
    struct network networks[NETWORKS_MAX];
    unsigned count = 0;

    while (count < NETWORKS_MAX && gw_slice_next(&rest, '\n', &word)) {
        if (gw_cidr_set_add(set, word.ptr, word.len))
            continue;
        FUZZ_CHECK(!gw_cidr_check(word.ptr, word.len), "checked otherwise");
        read_network(word, &networks[count++]);
    }
    gw_cidr_set_seal(set);
    while (gw_slice_next(&words, '\n', &word)) {
        struct gw_addr_bytes addr;
        unsigned char wide[16];
        bool inside = false;

        if (gw_addr_bytes_parse(&addr, word.ptr, word.len))
            continue;
        widen(&addr, wide);
        for (unsigned i = 0; i < count; i++)
            inside |= covers(&networks[i], wide);
        FUZZ_CHECK(gw_cidr_set_has(set, &addr) == inside, "%.*s", GW_SLICE_ARG(word));
    }
    gw_cidr_set_free(set);
    free(owned);
    return 0;
}
