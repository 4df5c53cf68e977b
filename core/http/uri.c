#include "http/uri.h"

#include "http/token.h"
#include "http/uri_path.h"

#include <arpa/inet.h>

#define HOST_MAX 253 /* RFC 1035 2.3.4, as text */

/* ── authority ─────────────────────────────────────────────────────────────── */

/* Empty text is no port; 1-65535 without leading zeros. */
static bool parse_port(struct gw_slice text, uint16_t *port)
{
    int64_t value;

    if (text.len > 5 || !gw_slice_to_int64(text, &value) || text.ptr[0] == '0' || value > 65535)
        return false;
    *port = (uint16_t)value;
    return true;
}

/* The lower-case form of what a name may be made of, 0 for any other byte. */
static const char lower_host[256] = {
    ['-'] = '-', ['.'] = '.', ['_'] = '_', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3',
    ['4'] = '4', ['5'] = '5', ['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['a'] = 'a',
    ['b'] = 'b', ['c'] = 'c', ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h',
    ['i'] = 'i', ['j'] = 'j', ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o',
    ['p'] = 'p', ['q'] = 'q', ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v',
    ['w'] = 'w', ['x'] = 'x', ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c',
    ['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j',
    ['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q',
    ['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x',
    ['Y'] = 'y', ['Z'] = 'z',
};

/* Copies a name in lower case, without a trailing dot. Letters, digits, "-", "_" and single dots
 * only: no userinfo, no list, no escape can hide in it. */
static enum gw_error copy_name(struct gw_slice name, char *out, size_t *len)
{
    if (name.len && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0 || name.len > HOST_MAX)
        return GW_E_BAD_HOST;

    char before = '.';

    for (size_t i = 0; i < name.len; i++) {
        char c = lower_host[(unsigned char)name.ptr[i]];

        if (c == '\0' || (c == '.' && before == '.'))
            return GW_E_BAD_HOST;
        out[i] = before = c;
    }
    if (before == '.')
        return GW_E_BAD_HOST;
    *len = name.len;
    return GW_OK;
}

/* Copies "[address]" in its canonical form, so that equal hosts are equal bytes. Zone ids do not
 * parse. */
static enum gw_error copy_ipv6(struct gw_slice address, char *out, size_t *len)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr binary;

    if (address.len >= sizeof(text))
        return GW_E_BAD_HOST;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    if (memchr(text, '\0', address.len) || inet_pton(AF_INET6, text, &binary) != 1 ||
        !inet_ntop(AF_INET6, &binary, text, sizeof(text)))
        return GW_E_BAD_HOST;

    size_t length = strlen(text);

    out[0] = '[';
    memcpy(out + 1, text, length);
    out[length + 1] = ']';
    *len = length + 2;
    return GW_OK;
}

/* Where the port's colon stands, or the end. */
static size_t host_end(struct gw_slice text)
{
    const char *from = text.len && text.ptr[0] == '[' ? memchr(text.ptr, ']', text.len) : text.ptr;
    const char *colon = from ? memchr(from, ':', text.len - (size_t)(from - text.ptr)) : NULL;

    return colon ? (size_t)(colon - text.ptr) : text.len;
}

enum gw_error gw_uri_parse_authority(struct gw_slice text, struct gw_arena *arena,
                                     struct gw_slice *authority)
{
    size_t colon = host_end(text);
    struct gw_slice host = gw_slice(text.ptr, colon);
    uint16_t port = 0;

    if (text.len == 0)
        return GW_E_BAD_HOST;
    if (colon < text.len && !parse_port(gw_slice_skip(text, colon + 1), &port))
        return GW_E_BAD_HOST;

    struct gw_slice port_text = gw_slice_skip(text, colon); /* with its colon */
    char *out = gw_arena_alloc(arena, (host.len > HOST_MAX ? HOST_MAX : host.len) +
                                          INET6_ADDRSTRLEN + 2 + port_text.len);
    size_t len = 0;
    enum gw_error error;

    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        error = copy_ipv6(gw_slice(host.ptr + 1, host.len - 2), out, &len);
    else
        error = copy_name(host, out, &len);
    if (error)
        return error;
    if (port_text.len)
        memcpy(out + len, port_text.ptr, port_text.len);
    *authority = gw_slice(out, len + port_text.len);
    return GW_OK;
}

struct gw_slice gw_uri_host(struct gw_slice authority, uint16_t *port)
{
    size_t colon = host_end(authority);
    struct gw_slice host = gw_slice(authority.ptr, colon);

    if (port && (colon >= authority.len || !parse_port(gw_slice_skip(authority, colon + 1), port)))
        *port = 0;
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        return gw_slice(host.ptr + 1, host.len - 2);
    return host;
}

/* ── targets ───────────────────────────────────────────────────────────────── */

static enum gw_error split_query(struct gw_head *head, struct gw_slice target,
                                 struct gw_slice *path)
{
    const char *mark = target.len ? memchr(target.ptr, '?', target.len) : NULL;

    *path = target;
    head->has_query = mark != NULL;
    head->query = GW_SLICE_EMPTY;
    if (!mark)
        return GW_OK;

    size_t at = (size_t)(mark - target.ptr);

    *path = gw_slice(target.ptr, at);
    head->query = gw_slice_skip(target, at + 1);
    if (!gw_visible_valid(head->query) || memchr(mark, '#', target.len - at))
        return GW_E_BAD_TARGET;
    return GW_OK;
}

static enum gw_error parse_origin_form(struct gw_head *head, struct gw_slice target,
                                       struct gw_arena *arena)
{
    struct gw_slice path;
    enum gw_error error = split_query(head, target, &path);

    return error ? error : gw_uri_path_normalise(path, arena, &head->path);
}

/* The length of "http://" or "https://" at the front, else 0. Which of them it is does not count:
 * the scheme is the listener's. */
static size_t scheme_len(struct gw_slice target)
{
    static const struct gw_slice schemes[] = { { "http://", 7 }, { "https://", 8 } };

    for (size_t i = 0; i < 2; i++)
        if (target.len >= schemes[i].len &&
            gw_slice_equal_nocase(gw_slice(target.ptr, schemes[i].len), schemes[i]))
            return schemes[i].len;
    return 0;
}

/* RFC 9112 3.2.2 */
static enum gw_error parse_absolute_form(struct gw_head *head, struct gw_slice rest,
                                         struct gw_arena *arena)
{
    size_t end = 0;

    while (end < rest.len && rest.ptr[end] != '/' && rest.ptr[end] != '?')
        end++;

    enum gw_error error = gw_uri_parse_authority(gw_slice(rest.ptr, end), arena, &head->authority);
    struct gw_slice path;

    if (error)
        return error;
    error = split_query(head, gw_slice_skip(rest, end), &path);
    if (error)
        return error;
    if (path.len)
        return gw_uri_path_normalise(path, arena, &head->path);

    /* RFC 9112 3.2.4: without path and query, OPTIONS means the server as a whole. */
    head->path =
        head->method == GW_METHOD_OPTIONS && !head->has_query ? GW_SLICE("*") : GW_SLICE("/");
    return GW_OK;
}

/* RFC 9112 3.2.3: a port is not optional here. */
static enum gw_error parse_authority_form(struct gw_head *head, struct gw_slice target,
                                          struct gw_arena *arena)
{
    uint16_t port;
    enum gw_error error = gw_uri_parse_authority(target, arena, &head->authority);

    if (error)
        return GW_E_BAD_TARGET;
    gw_uri_host(head->authority, &port);
    return port ? GW_OK : GW_E_BAD_TARGET;
}

enum gw_error gw_uri_parse_target(struct gw_head *head, struct gw_slice target,
                                  struct gw_arena *arena)
{
    head->path = head->query = GW_SLICE_EMPTY;
    head->has_query = false;
    if (target.len == 0)
        return GW_E_BAD_TARGET;
    if (head->method == GW_METHOD_CONNECT)
        return parse_authority_form(head, target, arena);
    if (target.ptr[0] == '/')
        return parse_origin_form(head, target, arena);
    if (gw_slice_equal(target, GW_SLICE("*"))) {
        head->path = target;
        return head->method == GW_METHOD_OPTIONS ? GW_OK : GW_E_BAD_TARGET;
    }

    size_t scheme = scheme_len(target);

    if (scheme == 0)
        return GW_E_BAD_TARGET;
    return parse_absolute_form(head, gw_slice_skip(target, scheme), arena);
}

enum gw_error gw_uri_normalise_path(struct gw_slice path, struct gw_arena *arena,
                                    struct gw_slice *normalised)
{
    if (path.len && memchr(path.ptr, '?', path.len))
        return GW_E_BAD_TARGET;
    return gw_uri_path_normalise(path, arena, normalised);
}

/* ── decoding ──────────────────────────────────────────────────────────────── */

struct gw_slice gw_uri_decode(struct gw_slice text, bool plus, struct gw_arena *arena)
{
    bool plain = text.len == 0 ||
                 (!memchr(text.ptr, '%', text.len) && !(plus && memchr(text.ptr, '+', text.len)));

    if (plain)
        return text;

    char *out = gw_arena_alloc(arena, text.len);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        int high = c == '%' && i + 2 < text.len ? gw_hex_value(text.ptr[i + 1]) : -1;
        int low = high >= 0 ? gw_hex_value(text.ptr[i + 2]) : -1;

        if (low >= 0) {
            c = (char)(high << 4 | low);
            i += 2;
        } else if (plus && c == '+') {
            c = ' ';
        }
        out[len++] = c;
    }
    return gw_slice(out, len);
}

bool gw_uri_next_arg(struct gw_slice *query, struct gw_slice *name, struct gw_slice *value,
                     bool *has_value)
{
    while (query->len) {
        const char *end = memchr(query->ptr, '&', query->len);
        struct gw_slice arg = gw_slice(query->ptr, end ? (size_t)(end - query->ptr) : query->len);
        const char *equals = arg.len ? memchr(arg.ptr, '=', arg.len) : NULL;

        *query = gw_slice_skip(*query, arg.len + 1);
        if (arg.len == 0)
            continue; /* "a&&b" */
        *has_value = equals != NULL;
        *name = gw_slice(arg.ptr, equals ? (size_t)(equals - arg.ptr) : arg.len);
        *value = equals ? gw_slice_skip(arg, name->len + 1) : GW_SLICE_EMPTY;
        return true;
    }
    return false;
}
