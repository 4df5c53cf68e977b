/* Request targets and authorities: whatever came, what is accepted is in its one final form. */
#include "fuzz.h"

#include "http/token.h"
#include "http/uri.h"

static int hex_upper(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_unreserved(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("-._~", c));
}

/* No byte of it can be read in two ways by who stands behind us. */
static void check_bytes(struct gw_slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        char c = path.ptr[i];

        FUZZ_CHECK(c > ' ' && c < 0x7f && c != '\\' && c != '#' && c != '?', "byte %d", c);
        if (c != '%')
            continue;
        FUZZ_CHECK(i + 2 < path.len, "cut escape");

        int high = hex_upper(path.ptr[i + 1]), low = hex_upper(path.ptr[i + 2]);
        int value = high * 16 + low;

        FUZZ_CHECK(high >= 0 && low >= 0, "escape in another form");
        FUZZ_CHECK(value && value != '/' && value != '\\' && !is_unreserved(value), "escaped %02x",
                   (unsigned)value);
    }
}

/* "//", "/./" and "/../" are gone. */
static void check_segments(struct gw_slice path)
{
    struct gw_slice rest = gw_slice_skip(path, 1);

    while (rest.len) {
        const char *slash = memchr(rest.ptr, '/', rest.len);
        struct gw_slice segment = gw_slice(rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len);

        FUZZ_CHECK(segment.len, "empty segment");
        FUZZ_CHECK(!gw_slice_equal(segment, GW_SLICE(".")), "a dot");
        FUZZ_CHECK(!gw_slice_equal(segment, GW_SLICE("..")), "two dots");
        rest = gw_slice_skip(rest, segment.len + 1);
    }
}

static void check_path(struct gw_slice path, struct gw_arena *arena)
{
    struct gw_slice again;

    FUZZ_CHECK(path.len && path.ptr[0] == '/', "no slash in front");
    check_bytes(path);
    check_segments(path);
    FUZZ_CHECK(gw_uri_normalise_path(path, arena, &again) == GW_OK, "not accepted again");
    fuzz_check_same("normalised twice", path, again);
}

static void check_authority(struct gw_slice authority, struct gw_arena *arena)
{
    struct gw_slice again;
    uint16_t port;

    FUZZ_CHECK(authority.len, "empty authority");
    for (size_t i = 0; i < authority.len; i++) {
        char c = authority.ptr[i];

        FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c && strchr("-_.:[]", c)),
                   "byte %d in an authority", c);
    }
    FUZZ_CHECK(gw_uri_parse_authority(authority, arena, &again) == GW_OK, "not accepted again");
    fuzz_check_same("authority parsed twice", authority, again);

    struct gw_slice host = gw_uri_host(authority, &port);

    FUZZ_CHECK(host.len && host.ptr[host.len - 1] != '.', "host ends with a dot");
}

/* What we send on in absolute form means the same to us. */
static void check_again(const struct gw_head *head, struct gw_arena *arena)
{
    struct gw_head again = { .method = head->method };
    struct gw_slice authority = head->authority.len ? head->authority : GW_SLICE("a");
    struct gw_slice target = gw_arena_printf(arena, "http://%.*s%.*s%s%.*s",
                                             GW_SLICE_ARG(authority), GW_SLICE_ARG(head->path),
                                             head->has_query ? "?" : "", GW_SLICE_ARG(head->query));

    FUZZ_CHECK(gw_uri_parse_target(&again, target, arena) == GW_OK, "%.*s", GW_SLICE_ARG(target));
    fuzz_check_same("path", head->path, again.path);
    fuzz_check_same("query", head->query, again.query);
    fuzz_check_same("authority", authority, again.authority);
    FUZZ_CHECK(head->has_query == again.has_query, "query");
}

static void try_target(struct gw_slice target, enum gw_method method, struct gw_arena *arena)
{
    struct gw_head head = { .method = method };

    if (gw_uri_parse_target(&head, target, arena))
        return;
    if (head.authority.len)
        check_authority(head.authority, arena);
    if (method == GW_METHOD_CONNECT) {
        uint16_t port;

        gw_uri_host(head.authority, &port);
        FUZZ_CHECK(port, "CONNECT without a port");
        return;
    }
    if (gw_slice_equal(head.path, GW_SLICE("*"))) {
        FUZZ_CHECK(method == GW_METHOD_OPTIONS && !head.has_query, "an asterisk");
        return;
    }
    check_path(head.path, arena);
    FUZZ_CHECK(head.query.len == 0 || head.has_query, "query");
    FUZZ_CHECK(head.query.len == 0 ||
                   (gw_visible_valid(head.query) && !memchr(head.query.ptr, '#', head.query.len)),
               "query");
    check_again(&head, arena);
}

/* Decoding shrinks and never reads past its end; arguments put together again are the query. */
static void try_query(struct gw_slice query, struct gw_arena *arena)
{
    struct gw_slice decoded = gw_uri_decode(query, true, arena);
    struct gw_slice name, value;
    bool has_value;
    size_t total = 0;

    FUZZ_CHECK(decoded.len <= query.len, "decoding grew");
    while (gw_uri_next_arg(&query, &name, &value, &has_value)) {
        FUZZ_CHECK(!name.len || !memchr(name.ptr, '&', name.len), "name");
        FUZZ_CHECK(!name.len || !memchr(name.ptr, '=', name.len), "name");
        FUZZ_CHECK(has_value || !value.len, "value");
        total += name.len + value.len + has_value;
    }
    FUZZ_CHECK(query.len == 0, "rest");
    FUZZ_CHECK(total <= decoded.len * 3 + 3, "more than there was");
}

GW_FUZZ_TARGET(uri)
{
    char *owned;
    struct gw_slice input = fuzz_copy(data, size, &owned);
    struct gw_arena *arena = gw_arena_new();
    struct gw_slice authority, path;

    try_target(input, GW_METHOD_GET, arena);
    try_target(input, GW_METHOD_OPTIONS, arena);
    try_target(input, GW_METHOD_CONNECT, arena);
    if (gw_uri_parse_authority(input, arena, &authority) == GW_OK)
        check_authority(authority, arena);
    if (gw_uri_normalise_path(input, arena, &path) == GW_OK)
        check_path(path, arena);
    try_query(input, arena);
    gw_arena_free(arena);
    free(owned);
    return 0;
}
