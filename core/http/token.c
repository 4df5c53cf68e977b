#include "http/token.h"

/* tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" /
 * DIGIT / ALPHA */
static const char lower_tchar[256] = {
    ['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
    ['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
    ['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
    ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a', ['b'] = 'b',   ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i',   ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p',   ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w',   ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd',   ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k',   ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r',   ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y',   ['Z'] = 'z',
};

/* Those of them that stand in names of ours: none in upper case. */
static const bool own_tchar[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
    ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['0'] = true, ['1'] = true,
    ['2'] = true, ['3'] = true, ['4'] = true, ['5'] = true, ['6'] = true, ['7'] = true,
    ['8'] = true, ['9'] = true, ['^'] = true, ['_'] = true, ['`'] = true, ['a'] = true,
    ['b'] = true, ['c'] = true, ['d'] = true, ['e'] = true, ['f'] = true, ['g'] = true,
    ['h'] = true, ['i'] = true, ['j'] = true, ['k'] = true, ['l'] = true, ['m'] = true,
    ['n'] = true, ['o'] = true, ['p'] = true, ['q'] = true, ['r'] = true, ['s'] = true,
    ['t'] = true, ['u'] = true, ['v'] = true, ['w'] = true, ['x'] = true, ['y'] = true,
    ['z'] = true, ['|'] = true, ['~'] = true,
};

char gw_token_lower(char c)
{
    return lower_tchar[(unsigned char)c];
}

bool gw_token_valid(struct gw_slice text)
{
    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!gw_token_lower(text.ptr[i]))
            return false;
    return true;
}

/* ── sixteen bytes at a time ───────────────────────────────────────────────── */

/* Bytes that are looked at together; the compiler has instructions for it wherever we run. */
typedef unsigned char group __attribute__((vector_size(16)));
typedef uint64_t group_words __attribute__((vector_size(16)));

static group group_at(const char *ptr)
{
    group bytes;

    memcpy(&bytes, ptr, sizeof(bytes));
    return bytes;
}

/* A group of fewer bytes, at least one, of which each stands in it: the ends overlap. */
static inline group gather(const char *ptr, size_t len)
{
    uint64_t words[2];

    if (len >= sizeof(words[0])) {
        memcpy(&words[0], ptr, sizeof(words[0]));
        memcpy(&words[1], ptr + len - sizeof(words[1]), sizeof(words[1]));
    } else if (len >= sizeof(uint32_t)) {
        memcpy(&words[0], ptr, sizeof(uint32_t));
        memcpy((char *)&words[0] + sizeof(uint32_t), ptr + len - sizeof(uint32_t),
               sizeof(uint32_t));
        words[1] = words[0];
    } else {
        char few[sizeof(words[0])] = { ptr[0], ptr[len / 2], ptr[len - 1], ptr[0],
                                       ptr[0], ptr[0],       ptr[0],       ptr[0] };

        memcpy(&words[0], few, sizeof(few));
        words[1] = words[0];
    }
    return group_at((const char *)words);
}

/* Puts them back where they were gathered. */
static inline void scatter(char *ptr, size_t len, group bytes)
{
    const char *from = (const char *)&bytes;

    if (len >= sizeof(uint64_t)) {
        memcpy(ptr, from, sizeof(uint64_t));
        memcpy(ptr + len - sizeof(uint64_t), from + sizeof(uint64_t), sizeof(uint64_t));
    } else if (len >= sizeof(uint32_t)) {
        memcpy(ptr, from, sizeof(uint32_t));
        memcpy(ptr + len - sizeof(uint32_t), from + sizeof(uint32_t), sizeof(uint32_t));
    } else {
        ptr[0] = from[0];
        ptr[len / 2] = from[1];
        ptr[len - 1] = from[2];
    }
}

#define ALL_BITS 0xffffu

/* Of a comparison: one bit a lane, the lowest that of the first byte in memory. */
static unsigned bits_of(group lanes)
{
#ifdef __SSE2__
    typedef char bytes __attribute__((vector_size(16)));

    return (unsigned)__builtin_ia32_pmovmskb128((bytes)lanes);
#else
    const uint64_t diagonal = 0x8040201008040201, ones = 0x0101010101010101;
    group_words words = (group_words)lanes;
    unsigned bits = 0;

    for (int i = 1; i >= 0; i--) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        words[i] = __builtin_bswap64(words[i]);
#endif
        bits = bits << 8 | (unsigned)((words[i] & diagonal) * ones >> 56);
    }
    return bits;
#endif
}

/* A comparison that holds in every lane. */
#define ALL(lanes) (bits_of((group)(lanes)) == ALL_BITS)

/* ── names ─────────────────────────────────────────────────────────────────── */

/* Of what nearly all names consist; the others are looked at byte by byte. */
static bool is_usual(group bytes)
{
    return ALL((bytes - 'a' < 26) | (bytes - '0' < 10) | (bytes == '-') | (bytes == '_'));
}

static bool is_own_token(struct gw_slice name)
{
    bool valid = name.len > 0;

    for (size_t i = 0; i < name.len; i++)
        valid &= own_tchar[(unsigned char)name.ptr[i]];
    return valid;
}

bool gw_field_name_valid(struct gw_slice name)
{
    size_t at = 0;

    for (; name.len - at > sizeof(group); at += sizeof(group))
        if (!is_usual(group_at(name.ptr + at)))
            return is_own_token(name);
    return name.len && (is_usual(gather(name.ptr + at, name.len - at)) || is_own_token(name));
}

static bool lower_bytes(char *name, size_t len)
{
    bool valid = len > 0;

    for (size_t i = 0; i < len; i++) {
        name[i] = gw_token_lower(name[i]);
        valid &= name[i] != '\0';
    }
    return valid;
}

static bool lower_group(char *name, size_t len)
{
    group bytes = gather(name, len);

    bytes |= (group)(bytes - 'A' < 26) & 0x20;
    if (!is_usual(bytes))
        return false;
    scatter(name, len, bytes);
    return true;
}

bool gw_token_lower_name(char *name, size_t len)
{
    size_t at = 0;

    for (; len - at > sizeof(group); at += sizeof(group))
        if (!lower_group(name + at, sizeof(group)))
            return lower_bytes(name, len);
    return len && (lower_group(name + at, len - at) || lower_bytes(name, len));
}

bool gw_visible_valid(struct gw_slice text)
{
    size_t at = 0;

    for (; text.len - at > sizeof(group); at += sizeof(group))
        if (!ALL(group_at(text.ptr + at) - 0x21 < 0x7f - 0x21))
            return false;
    return text.len == 0 || ALL(gather(text.ptr + at, text.len - at) - 0x21 < 0x7f - 0x21);
}

/* ── control bytes ─────────────────────────────────────────────────────────── */

/* In the lanes of control bytes other than tab all bits are set. */
static group controls(group bytes)
{
    return (group)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f));
}

/* Less than a group, the rest of which is filled up. */
static group few_at(const char *ptr, size_t len)
{
    char filled[sizeof(group)];

    memset(filled, ' ', sizeof(filled));
    if (len)
        memcpy(filled, ptr, len);
    return group_at(filled);
}

size_t gw_find_control(const char *ptr, size_t len)
{
    size_t at = 0;

    for (; len - at >= sizeof(group); at += sizeof(group)) {
        unsigned found = bits_of(controls(group_at(ptr + at)));

        if (found)
            return at + (size_t)__builtin_ctz(found);
    }

    unsigned found = bits_of(controls(few_at(ptr + at, len - at)));

    return found ? at + (size_t)__builtin_ctz(found) : len;
}

static size_t sum_of(group lanes)
{
    const uint64_t evens = 0x00ff00ff00ff00ff, ones = 0x0001000100010001;
    group_words words = (group_words)lanes;
    uint64_t pairs =
        (words[0] & evens) + (words[0] >> 8 & evens) + (words[1] & evens) + (words[1] >> 8 & evens);

    return (size_t)(pairs * ones >> 48);
}

/* Each lane of `found` counts down by one for a control byte, so that it holds 255 groups. */
#define GROUPS_AT_ONCE 255

size_t gw_count_controls(const char *ptr, size_t len)
{
    const char *end = ptr + len;
    size_t count = 0;

    while ((size_t)(end - ptr) >= sizeof(group)) {
        size_t groups = (size_t)(end - ptr) / sizeof(group);
        const char *stop =
            ptr + (groups < GROUPS_AT_ONCE ? groups : GROUPS_AT_ONCE) * sizeof(group);
        group found = { 0 };

        for (; ptr < stop; ptr += sizeof(group))
            found -= controls(group_at(ptr));
        count += sum_of(found);
    }
    return count + (size_t)__builtin_popcount(bits_of(controls(few_at(ptr, (size_t)(end - ptr)))));
}

bool gw_field_value_valid(struct gw_slice value)
{
    return gw_find_control(value.ptr, value.len) == value.len;
}

/* ── spellings ─────────────────────────────────────────────────────────────── */

static char spelled(char c)
{
    return c == '_' || c == '.' ? '-' : c;
}

struct gw_slice gw_token_spelling(struct gw_slice name, char out[GW_TOKEN_SPELLING_MAX])
{
    size_t len = name.len < GW_TOKEN_SPELLING_MAX ? name.len : GW_TOKEN_SPELLING_MAX;

    for (size_t i = 0; i < len; i++)
        out[i] = spelled(name.ptr[i]);
    while (len && out[len - 1] == '-')
        len--;
    return gw_slice(out, len);
}

static bool is_dashes(struct gw_slice text)
{
    while (text.len && spelled(text.ptr[text.len - 1]) == '-')
        text.len--;
    return text.len == 0;
}

bool gw_token_spelled_alike(struct gw_slice a, struct gw_slice b)
{
    /* From the back, because names of a kind begin alike. */
    for (size_t i = a.len < b.len ? a.len : b.len; i > 0; i--)
        if (spelled(a.ptr[i - 1]) != spelled(b.ptr[i - 1]))
            return false;
    return a.len < b.len ? is_dashes(gw_slice_skip(b, a.len)) : is_dashes(gw_slice_skip(a, b.len));
}
