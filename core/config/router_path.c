/* Paths of routes: "/prefix", "=/exact", "/templates/{id}", "~/regex". */
#include "base/alloc.h"
#include "base/arena.h"
#include "config/router_rules.h"

#include <stdio.h>

struct gw_regex *gw_router_own_regex(struct gw_router *router, struct gw_slice text, unsigned flags,
                                     char *why, size_t why_size)
{
    struct gw_regex *regex = gw_regex_new(text.ptr, text.len, flags, why, why_size);

    if (!regex)
        return NULL;
    if (router->regex_count == router->regex_capacity) {
        router->regex_capacity = router->regex_capacity ? router->regex_capacity * 2 : 16;
        router->regexes =
            gw_realloc(router->regexes, router->regex_capacity * sizeof(struct gw_regex *));
    }
    router->regexes[router->regex_count++] = regex;
    return regex;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = gw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

/* Brings a literal path to the form that requests have when they are matched: escapes of unreserved
 * characters decoded, the others in upper-case hex. NULL, or why no request can ever have it. */
static const char *normalise(struct gw_arena *arena, struct gw_slice text, struct gw_slice *out)
{
    static const char digits[] = "0123456789ABCDEF";
    char *to = gw_arena_alloc(arena, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c <= ' ' || c > '~' || c == '\\' || c == '?' || c == '#')
            return "it holds a byte that no request path can have (spaces, controls, \\, ?, # and "
                   "bytes from 0x80 must be percent-encoded)";
        if (c != '%') {
            to[len++] = c;
            continue;
        }
        int high = i + 2 < text.len ? hex_value(text.ptr[i + 1]) : -1;
        int low = i + 2 < text.len ? hex_value(text.ptr[i + 2]) : -1;
        int value = high * 16 + low;

        if (high < 0 || low < 0)
            return "a \"%\" must be followed by two hex digits";
        if (value == 0 || value == '/' || value == '\\')
            return "%00, %2F and %5C are refused in requests, so it never matches";
        i += 2;
        if (is_unreserved(value)) {
            to[len++] = (char)value;
            continue;
        }
        to[len++] = '%';
        to[len++] = digits[high];
        to[len++] = digits[low];
    }
    *out = gw_slice(to, len);
    return NULL;
}

static bool has_dead_segment(struct gw_slice path)
{
    for (size_t from = 1; from < path.len;) {
        const char *slash = memchr(path.ptr + from, '/', path.len - from);

        if (!slash)
            return false;
        struct gw_slice segment = gw_slice(path.ptr + from, (size_t)(slash - path.ptr) - from);

        if (segment.len == 0 || gw_slice_equal(segment, GW_SLICE(".")) ||
            gw_slice_equal(segment, GW_SLICE("..")))
            return true;
        from += segment.len + 1;
    }
    return false;
}

static bool is_name(struct gw_slice name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = gw_lower(name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return name.len > 0;
}

/* Cuts one segment into before, {name} and after. */
static const char *parse_segment(struct gw_path_segment *segment, struct gw_slice text)
{
    const char *open = text.len ? memchr(text.ptr, '{', text.len) : NULL;
    const char *close = text.len ? memchr(text.ptr, '}', text.len) : NULL;

    *segment = (struct gw_path_segment){ .before = text };
    if (!open && !close)
        return NULL;
    if (!open || !close || close < open)
        return "braces must come in pairs, as in /users/{id}";
    segment->before.len = (size_t)(open - text.ptr);
    segment->name = gw_slice(open + 1, (size_t)(close - open) - 1);
    segment->after = gw_slice_skip(text, (size_t)(close - text.ptr) + 1);
    if (!is_name(segment->name))
        return "the name between braces must be letters, digits and \"_\"";
    if (segment->after.len && (memchr(segment->after.ptr, '{', segment->after.len) ||
                               memchr(segment->after.ptr, '}', segment->after.len)))
        return "a segment can have one variable only";
    return NULL;
}

static const char *check_names(const struct gw_path *path)
{
    unsigned names = 0;

    for (unsigned i = 0; i < path->segment_count; i++) {
        if (path->segments[i].name.len == 0)
            continue;
        if (++names > GW_ROUTE_CAPTURES_MAX)
            return "too many variables (at most 16)";
        for (unsigned k = 0; k < i; k++) {
            if (gw_slice_equal(path->segments[i].name, path->segments[k].name))
                return "two variables have the same name";
        }
    }
    return NULL;
}

static const char *parse_template(struct gw_arena *arena, struct gw_path *path,
                                  struct gw_slice text)
{
    struct gw_slice rest = gw_slice_skip(text, 1);
    unsigned slashes = 0;

    for (size_t i = 0; i < text.len; i++)
        slashes += text.ptr[i] == '/';
    path->segments = gw_arena_alloc(arena, slashes * sizeof(*path->segments));
    for (unsigned i = 0; i < slashes; i++) {
        const char *slash = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
        size_t len = slash ? (size_t)(slash - rest.ptr) : rest.len;
        struct gw_path_segment *segment = &path->segments[i];
        const char *wrong = parse_segment(segment, gw_slice(rest.ptr, len));

        if (wrong)
            return wrong;
        path->length += segment->before.len + segment->after.len + 1;
        rest = gw_slice_skip(rest, len + 1);
    }
    path->segment_count = slashes;
    path->literal = text;
    path->literal.len = (size_t)((const char *)memchr(text.ptr, '{', text.len) - text.ptr);
    return check_names(path);
}

static const char *parse_literal(struct gw_arena *arena, struct gw_path *path, struct gw_slice text)
{
    bool exact = text.ptr[0] == '=';

    if (exact)
        text = gw_slice_skip(text, 1);
    if (text.len == 0 || text.ptr[0] != '/')
        return exact ? "after \"=\" it must begin with \"/\""
                     : "it must begin with \"/\", \"=/\" or \"~\"";
    const char *wrong = normalise(arena, text, &text);

    if (wrong)
        return wrong;
    if (has_dead_segment(text))
        return "empty, \".\" and \"..\" segments are resolved in requests, so it never matches";
    if (!exact && (memchr(text.ptr, '{', text.len) || memchr(text.ptr, '}', text.len))) {
        path->kind = GW_PATH_TEMPLATE;
        return parse_template(arena, path, text);
    }
    path->kind = exact ? GW_PATH_EXACT : GW_PATH_PREFIX;
    path->literal = text;
    path->length = text.len;
    return NULL;
}

const char *gw_path_parse(struct gw_router *router, struct gw_path *path, struct gw_slice text,
                          char *why, size_t why_size)
{
    path->text = gw_arena_copy(router->arena, text);
    if (text.len == 0)
        return "it is empty";
    if (text.ptr[0] != '~')
        return parse_literal(router->arena, path, path->text);
    bool whole;

    path->kind = GW_PATH_REGEX;
    path->regex =
        gw_router_own_regex(router, gw_slice_skip(path->text, 1), GW_REGEX_ANCHORED, why, why_size);
    if (!path->regex)
        return why;
    path->literal = gw_regex_literal_prefix(path->regex, &whole);
    return NULL;
}

/* A template fits the whole path; a variable takes at least one byte and never a "/". Nothing is
 * written unless it fits. */
bool gw_path_template_match(const struct gw_path *path, struct gw_slice subject,
                            struct gw_route_match *match)
{
    struct gw_route_pair captures[GW_ROUTE_CAPTURES_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < path->segment_count; i++) {
        const struct gw_path_segment *segment = &path->segments[i];

        if (subject.len == 0 || subject.ptr[0] != '/')
            return false;
        subject = gw_slice_skip(subject, 1);
        const char *slash = subject.len ? memchr(subject.ptr, '/', subject.len) : NULL;
        struct gw_slice part =
            gw_slice(subject.ptr, slash ? (size_t)(slash - subject.ptr) : subject.len);

        subject = gw_slice_skip(subject, part.len);
        if (segment->name.len == 0) {
            if (!gw_slice_equal(part, segment->before))
                return false;
            continue;
        }
        size_t fixed = segment->before.len + segment->after.len;

        if (part.len <= fixed || !gw_slice_starts_with(part, segment->before) ||
            !gw_slice_equal(gw_slice_skip(part, part.len - segment->after.len), segment->after))
            return false;
        captures[count].name = segment->name;
        captures[count++].value = gw_slice(part.ptr + segment->before.len, part.len - fixed);
    }
    if (subject.len)
        return false;
    match->capture_count = count;
    if (count)
        memcpy(match->captures, captures, count * sizeof(*captures));
    return true;
}
