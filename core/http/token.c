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

bool gw_field_name_valid(struct gw_slice name)
{
    bool valid = name.len > 0;

    for (size_t i = 0; i < name.len; i++)
        valid &= own_tchar[(unsigned char)name.ptr[i]];
    return valid;
}

/* Bytes that are looked at together; the compiler has instructions for it wherever we run. */
typedef unsigned char group __attribute__((vector_size(16)));
typedef uint64_t group_words __attribute__((vector_size(16)));

/* Where in memory the first byte stands that is not zero, in a word that has one. */
static size_t first_byte(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(word) / 8;
#else
    return (size_t)__builtin_clzll(word) / 8;
#endif
}

/* The place of the first control byte in a group, or its size. */
static size_t find_in_group(const char *ptr)
{
    group bytes;

    memcpy(&bytes, ptr, sizeof(bytes));

    group_words found = (group_words)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f));

    if (found[0])
        return first_byte(found[0]);
    return sizeof(uint64_t) + (found[1] ? first_byte(found[1]) : sizeof(uint64_t));
}

/* Less than a group: the rest of one is filled up. */
static size_t find_in_few(const char *ptr, size_t len)
{
    char filled[sizeof(group)];

    memset(filled, ' ', sizeof(filled));
    if (len)
        memcpy(filled, ptr, len);

    size_t at = find_in_group(filled);

    return at < len ? at : len;
}

size_t gw_find_control(const char *ptr, size_t len)
{
    size_t at = 0;

    for (; len - at >= sizeof(group); at += sizeof(group)) {
        size_t in = find_in_group(ptr + at);

        if (in < sizeof(group))
            return at + in;
    }
    return at + find_in_few(ptr + at, len - at);
}

/* Each lane of `found` counts down by one for a control byte, so that it holds 255 groups. */
#define GROUPS_AT_ONCE 255

static size_t count_in_groups(const char *ptr, size_t groups)
{
    group found = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < groups; i++) {
        group bytes;

        memcpy(&bytes, ptr + i * sizeof(group), sizeof(bytes));
        found -= (group)(((bytes < 0x20) & (bytes != '\t')) | (bytes == 0x7f));
    }
    for (size_t i = 0; i < sizeof(group); i++)
        count += found[i];
    return count;
}

size_t gw_count_controls(const char *ptr, size_t len)
{
    char rest[sizeof(group)];
    size_t count = 0;

    for (size_t groups = len / sizeof(group); groups > 0;) {
        size_t now = groups < GROUPS_AT_ONCE ? groups : GROUPS_AT_ONCE;

        count += count_in_groups(ptr, now);
        ptr += now * sizeof(group);
        groups -= now;
    }
    memset(rest, ' ', sizeof(rest));
    memcpy(rest, ptr, len % sizeof(group));
    return count + count_in_groups(rest, 1);
}

bool gw_field_value_valid(struct gw_slice value)
{
    return gw_find_control(value.ptr, value.len) == value.len;
}

bool gw_visible_valid(struct gw_slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= 0x20 ||
            text.ptr[i] >= 0x7f) /* char may be signed: 0x80 and up is below */
            return false;
    return true;
}

struct gw_slice gw_token_spelling(struct gw_slice name, char out[GW_TOKEN_SPELLING_MAX])
{
    size_t len = name.len < GW_TOKEN_SPELLING_MAX ? name.len : GW_TOKEN_SPELLING_MAX;

    for (size_t i = 0; i < len; i++)
        out[i] = name.ptr[i] == '_' || name.ptr[i] == '.' ? '-' : name.ptr[i];
    while (len && out[len - 1] == '-')
        len--;
    return gw_slice(out, len);
}
