#include "base/random.h"

#include "base/check.h"

#include <string.h>
#include <sys/random.h>

void gw_random_bytes(void *out, size_t len)
{
    char *at = out;

    while (len) {
        ssize_t got = getrandom(at, len, 0);

        if (got < 0)
            continue; /* EINTR: nothing else can happen with these arguments */
        at += got;
        len -= (size_t)got;
    }
}

/* splitmix64: spreads a seed over the state. */
static uint64_t spread(uint64_t *seed)
{
    uint64_t z = (*seed += 0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

void gw_random_seed(struct gw_random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        random->state[i] = spread(&seed);
}

void gw_random_init(struct gw_random *random)
{
    uint64_t seed;

    gw_random_bytes(&seed, sizeof(seed));
    gw_random_seed(random, seed);
}

static uint64_t rotate(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

uint64_t gw_random_next(struct gw_random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t gw_random_below(struct gw_random *random, uint64_t limit)
{
    GW_ASSERT(limit > 0);
    /* The high half of a 128-bit product: no division, a bias below 2^-32 for every limit in
     * use. */
    __extension__ typedef unsigned __int128 uint128;

    return (uint64_t)(((uint128)gw_random_next(random) * limit) >> 64);
}

static void format_uuid(uint64_t high, uint64_t low, char out[37])
{
    static const char hex[] = "0123456789abcdef";
    char *at = out;

    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *at++ = '-';
        uint64_t word = i < 16 ? high : low;

        *at++ = hex[(word >> (60 - 4 * (i % 16))) & 15];
    }
    *at = '\0';
}

void gw_uuid_v7(struct gw_random *random, int64_t wall_us, char out[37])
{
    uint64_t ms = (uint64_t)(wall_us / 1000);
    uint64_t high = ms << 16 | 0x7000 | (gw_random_next(random) & 0xfff);
    uint64_t low = 0x8000000000000000 | (gw_random_next(random) >> 2);

    format_uuid(high, low, out);
}

void gw_uuid_v4(struct gw_random *random, char out[37])
{
    uint64_t high = (gw_random_next(random) & 0xffffffffffff0fff) | 0x4000;
    uint64_t low = 0x8000000000000000 | (gw_random_next(random) >> 2);

    format_uuid(high, low, out);
}
