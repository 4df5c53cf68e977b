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
    if (name.len == 0)
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '\0' || gw_token_lower(name.ptr[i]) != name.ptr[i])
            return false;
    return true;
}

static bool is_control(char c)
{
    unsigned char byte = (unsigned char)c;

    return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

/* True when one of the eight bytes may be below 0x20 or be 0x7f: never misses one, may cry wolf. */
static bool word_has_control(uint64_t word)
{
    const uint64_t ones = 0x0101010101010101u;
    const uint64_t high = 0x8080808080808080u;
    uint64_t below_space = (word - ones * 0x20) & ~word & high;
    uint64_t del = word ^ (ones * 0x7f);

    return (below_space | ((del - ones) & ~del & high)) != 0;
}

size_t gw_find_control(const char *ptr, size_t len)
{
    size_t at = 0;

    while (at < len) {
        if (len - at >= sizeof(uint64_t)) {
            uint64_t word;

            memcpy(&word, ptr + at, sizeof(word));
            if (!word_has_control(word)) {
                at += sizeof(word);
                continue;
            }
        }
        for (size_t end = len - at > 8 ? at + 8 : len; at < end; at++)
            if (is_control(ptr[at]))
                return at;
    }
    return len;
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
