#include "base/siphash.h"

#include "base/random.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static inline void round_of(struct state *s)
{
    s->v0 += s->v1;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v2 = rotate(s->v2, 32);
}

static inline void take_word(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    round_of(s);
    round_of(s);
    s->v0 ^= word;
}

static inline uint64_t finish(struct state *s)
{
    for (int i = 0; i < 4; i++)
        round_of(s);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

/* Little-endian, as the paper wants it: what we are built for is. */
static inline uint64_t load(const char *bytes, size_t len)
{
    uint64_t word = 0;

    memcpy(&word, bytes, len);
    return word;
}

void gw_siphash_key_init(struct gw_siphash_key *key)
{
    gw_random_bytes(key, sizeof(*key));
}

struct gw_hash128 gw_siphash128(const struct gw_siphash_key *key, uint64_t first,
                                struct gw_slice text)
{
    struct state s = {
        .v0 = key->k0 ^ 0x736f6d6570736575,
        .v1 = key->k1 ^ 0x646f72616e646f6d ^ 0xee, /* 128 bits are wanted */
        .v2 = key->k0 ^ 0x6c7967656e657261,
        .v3 = key->k1 ^ 0x7465646279746573,
    };
    const char *at = text.ptr;
    size_t left = text.len;
    struct gw_hash128 hash;

    take_word(&s, first);
    for (; left >= 8; at += 8, left -= 8) {
        uint64_t word;

        memcpy(&word, at, 8);
        take_word(&s, word);
    }
    take_word(&s, (uint64_t)(text.len + sizeof(first)) << 56 | (left ? load(at, left) : 0));
    s.v2 ^= 0xee;
    hash.low = finish(&s);
    s.v1 ^= 0xdd;
    hash.high = finish(&s);
    return hash;
}
