#include "base/random.h"

#include "base/check.h"

#include <endian.h>
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

/* Eight hexadecimal digits at once, because every request gets an id: the nibbles are spread over
 * eight bytes, the first in the lowest, and those above nine become letters. */
static void put_hex(char out[8], uint32_t word)
{
    const uint64_t each = 0x0101010101010101u;
    uint64_t digits = __builtin_bswap32(word);

    digits = (digits | digits << 16) & 0x0000ffff0000ffffu;
    digits = (digits | digits << 8) & 0x00ff00ff00ff00ffu;
    digits = (digits >> 4 & 0x000f000f000f000fu) | (digits & 0x000f000f000f000fu) << 8;
    digits += each * '0' + ((digits + each * 6) >> 4 & each) * ('a' - '9' - 1);
    digits = htole64(digits);
    memcpy(out, &digits, sizeof(digits));
}

static void format_uuid(uint64_t high, uint64_t low, char out[37])
{
    char digits[32];

    put_hex(digits, (uint32_t)(high >> 32));
    put_hex(digits + 8, (uint32_t)high);
    put_hex(digits + 16, (uint32_t)(low >> 32));
    put_hex(digits + 24, (uint32_t)low);
    memcpy(out, digits, 8);
    memcpy(out + 9, digits + 8, 4);
    memcpy(out + 14, digits + 12, 4);
    memcpy(out + 19, digits + 16, 4);
    memcpy(out + 24, digits + 20, 12);
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = '\0';
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
