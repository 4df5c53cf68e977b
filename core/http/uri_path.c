#include "http/uri_path.h"

int gw_hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = gw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 3986 2.3 */
static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* What no path may hold as it stands. */
static bool is_forbidden(unsigned char c)
{
    return c <= ' ' || c >= 0x7f || c == '\\' || c == '#';
}

/* What no path may hold as an escape either: some server behind us would read it as the end of a
 * string or of a segment. */
static bool is_forbidden_escaped(unsigned char c)
{
    return c == '\0' || c == '/' || c == '\\';
}

/* True when the path is in its final form already; most are, and then nothing is copied. */
static bool is_normal(struct gw_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        if (c == '%' || is_forbidden((unsigned char)c))
            return false;
        if (c == '/' && i + 1 < path.len && (path.ptr[i + 1] == '/' || path.ptr[i + 1] == '.'))
            return false;
    }
    return true;
}

/* Writes the path with its escapes settled: unreserved characters decoded, the others in upper-case
 * hex. Never grows. */
static enum gw_error settle_escapes(struct gw_slice path, char *out, size_t *out_len)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;

    for (size_t i = 0; i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];

        if (is_forbidden(c))
            return GW_E_BAD_TARGET;
        if (c != '%') {
            out[len++] = (char)c;
            continue;
        }
        int high = i + 2 < path.len ? gw_hex_value(path.ptr[i + 1]) : -1;
        int low = i + 2 < path.len ? gw_hex_value(path.ptr[i + 2]) : -1;

        if (high < 0 || low < 0)
            return GW_E_BAD_TARGET;
        c = (unsigned char)(high << 4 | low);
        if (is_forbidden_escaped(c))
            return GW_E_BAD_TARGET;
        if (is_unreserved(c)) {
            out[len++] = (char)c;
        } else {
            out[len++] = '%';
            out[len++] = hex[high];
            out[len++] = hex[low];
        }
        i += 2;
    }
    *out_len = len;
    return GW_OK;
}

/* Takes the last segment off; false at the root. `out` ends with "/" before and after. */
static bool drop_segment(const char *out, size_t *len)
{
    size_t end = *len - 1; /* the slash at the end */

    if (end == 0)
        return false;
    while (out[end - 1] != '/')
        end--;
    *len = end;
    return true;
}

/* Resolves "." and ".." (RFC 3986 5.2.4) and joins slashes, in place. */
static enum gw_error resolve_segments(char *path, size_t *path_len)
{
    size_t len =
        1; /* path[0] is "/"; path[0 … len) is done and ends with "/" at the top of the loop */
    size_t at = 1;

    while (at < *path_len) {
        size_t from = at;

        while (at < *path_len && path[at] != '/')
            at++;

        size_t segment = at - from;
        bool slash = at < *path_len;

        if (slash)
            at++;
        if (segment == 0 || (segment == 1 && path[from] == '.'))
            continue; /* "//" and "/./" */
        if (segment == 2 && path[from] == '.' && path[from + 1] == '.') {
            if (!drop_segment(path, &len))
                return GW_E_BAD_TARGET;
            continue;
        }
        memmove(path + len, path + from, segment);
        len += segment;
        if (slash)
            path[len++] = '/';
    }
    *path_len = len;
    return GW_OK;
}

enum gw_error gw_uri_path_normalise(struct gw_slice path, struct gw_arena *arena,
                                    struct gw_slice *normalised)
{
    if (path.len == 0 || path.ptr[0] != '/')
        return GW_E_BAD_TARGET;
    if (is_normal(path)) {
        *normalised = path;
        return GW_OK;
    }
    char *out = gw_arena_alloc(arena, path.len);
    size_t len = 0;
    enum gw_error error = settle_escapes(path, out, &len);

    if (!error)
        error = resolve_segments(out, &len);
    if (!error)
        *normalised = gw_slice(out, len);
    return error;
}
