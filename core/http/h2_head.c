/* Fields that come become a gw_head, a gw_head becomes fields that go. What RFC 9113 8.2 and 8.3
 * say of names, pseudo fields and their order is checked by nghttp2, which ends the stream; what
 * HTTP/1 is judged by as well is judged here, by the same functions. */
#include "http/h2_session.h"

#include "base/alloc.h"
#include "http/date.h"
#include "http/token.h"
#include "http/trailer.h"
#include "http/uri.h"

#define FIELD_OVERHEAD 32 /* RFC 9113 6.5.2 */
#define METHOD_MAX 32
#define PSEUDO_MAX 8 /* pseudo fields, content-length, date, expect */

#define IS(name, literal) gw_slice_equal(name, GW_SLICE(literal))

/* ── reading ───────────────────────────────────────────────────────────────── */

void gw_h2_head_begin(struct gw_h2_stream *stream, struct gw_arena *arena)
{
    stream->head = gw_arena_alloc_zero(arena, sizeof(*stream->head));
    stream->head->version = 20;
    stream->head->body_length = GW_BODY_NONE;
    stream->target = stream->authority = stream->host = GW_SLICE_EMPTY;
    stream->head_error = GW_OK;
    stream->head_bytes = 0;
    stream->fields = 0;
    stream->reads_trailers = false;
}

void gw_h2_trailers_begin(struct gw_h2_stream *stream)
{
    stream->trailers = gw_arena_alloc_zero(stream->stream.arena, sizeof(*stream->trailers));
    stream->head_error = GW_OK;
    stream->head_bytes = 0;
    stream->fields = 0;
    stream->reads_trailers = true;
}

static struct gw_arena *arena_of(const struct gw_h2_stream *stream)
{
    return stream->arena ? stream->arena : stream->stream.arena;
}

static void refuse(struct gw_h2_stream *stream, enum gw_error why)
{
    if (!stream->head_error)
        stream->head_error = why;
}

static void read_method(struct gw_h2_stream *stream, struct gw_slice value)
{
    if (value.len > METHOD_MAX || !gw_token_valid(value))
        refuse(stream, GW_E_BAD_REQUEST);
    stream->head->method_name = value;
    stream->head->method = gw_method_parse(value);
}

static void read_protocol(struct gw_h2_stream *stream, struct gw_slice value)
{
    char *lower = gw_arena_alloc(arena_of(stream), value.len ? value.len : 1);

    if (value.len == 0 || !gw_visible_valid(value))
        refuse(stream, GW_E_BAD_REQUEST);
    for (size_t i = 0; i < value.len; i++)
        lower[i] = gw_lower(value.ptr[i]);
    stream->head->protocol = gw_slice(lower, value.len);
}

static void read_pseudo(struct gw_h2_stream *stream, struct gw_slice name, struct gw_slice value)
{
    int64_t status;

    if (IS(name, ":method"))
        read_method(stream, value);
    else if (IS(name, ":path"))
        stream->target = value;
    else if (IS(name, ":authority"))
        stream->authority = value;
    else if (IS(name, ":protocol"))
        read_protocol(stream, value);
    else if (IS(name, ":status") && gw_slice_to_int64(value, &status) && status <= 599)
        stream->head->status = (int)status;
    else if (IS(name, ":status"))
        refuse(stream, GW_E_UPSTREAM_PROTOCOL);
    else if (IS(name, ":scheme") && !IS(value, "http") && !IS(value, "https"))
        refuse(stream, GW_E_BAD_TARGET);
}

static void read_length(struct gw_h2_stream *stream, struct gw_slice value)
{
    bool odd = value.len > 1 && value.ptr[0] == '0';

    if (odd || !gw_slice_to_int64(value, &stream->head->body_length))
        refuse(stream, stream->session->is_server ? GW_E_BAD_FRAMING : GW_E_UPSTREAM_PROTOCOL);
}

static void read_expect(struct gw_h2_stream *stream, struct gw_slice value)
{
    if (gw_slice_equal_nocase(value, GW_SLICE("100-continue")))
        stream->head->expect_continue = true;
    else
        refuse(stream, GW_E_EXPECT);
}

/* Framing fields end here; false: the field belongs to the message. */
static bool read_framing(struct gw_h2_stream *stream, struct gw_slice name, struct gw_slice value)
{
    switch (name.len) {
    case 2:
        return IS(name, "te");
    case 4:
        if (!IS(name, "host"))
            return false;
        if (stream->host.len)
            refuse(stream, GW_E_BAD_HOST);
        stream->host = value;
        return true;
    case 6:
        if (!stream->session->is_server || !IS(name, "expect"))
            return false;
        read_expect(stream, value);
        return true;
    case 14:
        if (IS(name, "content-length"))
            read_length(stream, value);
        return IS(name, "content-length") || IS(name, "http2-settings");
    default:
        return false;
    }
}

static void read_field(struct gw_h2_stream *stream, struct gw_slice name, struct gw_slice value)
{
    struct gw_arena *arena = arena_of(stream);

    value = gw_arena_copy(arena, value);
    if (stream->reads_trailers) {
        if (gw_trailer_allowed(name))
            gw_fields_add(stream->trailers, arena, gw_arena_copy(arena, name), value);
    } else if (name.ptr[0] == ':') {
        read_pseudo(stream, name, value);
    } else if (!read_framing(stream, name, value)) {
        gw_fields_add(&stream->head->fields, arena, gw_arena_copy(arena, name), value);
    }
}

bool gw_h2_head_field(struct gw_h2_stream *stream, struct gw_slice name, struct gw_slice value)
{
    const struct gw_session_limits *limits = &stream->session->limits.session;
    bool is_crumb = IS(name, "cookie"); /* one field, in pieces: its bytes count */

    stream->head_bytes += name.len + value.len + FIELD_OVERHEAD;
    if (name.ptr[0] != ':' && !is_crumb)
        stream->fields++;
    if (stream->head_bytes > limits->head_bytes || stream->fields > limits->headers) {
        refuse(stream,
               stream->session->is_server ? GW_E_HEAD_TOO_LARGE : GW_E_UPSTREAM_HEAD_TOO_LARGE);
        return stream->head_bytes / 4 <= limits->head_bytes;
    }
    read_field(stream, name, value);
    return true;
}

/* RFC 9113 8.2.3: what HTTP/1 and plugins see is one field. */
static void join_cookies(struct gw_h2_stream *stream)
{
    const struct gw_slice name = GW_SLICE("cookie");
    struct gw_fields *fields = &stream->head->fields;
    struct gw_arena *arena = arena_of(stream);
    size_t size = 0, at = 0;
    unsigned crumbs = 0;

    for (unsigned i = 0; i < fields->count; i++)
        if (gw_slice_equal(fields->items[i].name, name)) {
            size += fields->items[i].value.len + 2;
            crumbs++;
        }
    if (crumbs < 2)
        return;

    char *all = gw_arena_alloc(arena, size);

    for (unsigned i = 0; i < fields->count; i++)
        if (gw_slice_equal(fields->items[i].name, name)) {
            if (at) {
                memcpy(all + at, "; ", 2);
                at += 2;
            }
            if (fields->items[i].value.len)
                memcpy(all + at, fields->items[i].value.ptr, fields->items[i].value.len);
            at += fields->items[i].value.len;
        }
    gw_fields_set(fields, arena, name, gw_slice(all, at));
}

static void finish_length(struct gw_head *head, bool end)
{
    if (head->body_length == GW_BODY_NONE && !end)
        head->body_length = GW_BODY_UNKNOWN;
}

static enum gw_error finish_target(struct gw_h2_stream *stream)
{
    struct gw_head *head = stream->head;
    bool plain_connect = head->method == GW_METHOD_CONNECT && !head->protocol.len;
    struct gw_slice target = plain_connect ? stream->authority : stream->target;

    stream->asks_tunnel = head->method == GW_METHOD_CONNECT;
    stream->asks_upgrade = head->protocol.len > 0;
    if (stream->asks_upgrade) { /* what everybody above knows as an upgrade */
        head->method = GW_METHOD_GET;
        head->method_name = GW_SLICE("GET");
    }
    head->raw_target = target;
    if (target.len > stream->session->limits.session.target_bytes)
        return GW_E_TARGET_TOO_LONG;
    if (!plain_connect && target.len && target.ptr[0] != '/' && !IS(target, "*"))
        return GW_E_BAD_TARGET;
    return gw_uri_parse_target(head, target, arena_of(stream));
}

/* RFC 9113 8.3.1: where both are there they must mean the same. */
static enum gw_error finish_authority(struct gw_h2_stream *stream)
{
    struct gw_slice authority, host;
    struct gw_arena *arena = arena_of(stream);
    enum gw_error error;

    authority = stream->authority.len ? stream->authority : stream->host;
    if (authority.len == 0)
        return GW_E_BAD_HOST;
    error = gw_uri_parse_authority(authority, arena, &stream->head->authority);
    if (error || !stream->host.len || !stream->authority.len)
        return error;
    error = gw_uri_parse_authority(stream->host, arena, &host);
    return error ? error : gw_slice_equal(host, stream->head->authority) ? GW_OK : GW_E_BAD_HOST;
}

enum gw_error gw_h2_head_finish_request(struct gw_h2_stream *stream, bool end)
{
    struct gw_head *head = stream->head;
    enum gw_error error = finish_target(stream);

    stream->method = head->method;
    if (stream->head_error)
        return stream->head_error;
    if (!error)
        error = finish_authority(stream);
    if (error)
        return error;
    join_cookies(stream);
    if (stream->asks_tunnel)
        head->body_length = GW_BODY_NONE;
    else
        finish_length(head, end);
    if (head->body_length == GW_BODY_NONE || head->body_length == 0)
        head->expect_continue = false; /* RFC 9110 10.1.1: nothing to wait with */
    return GW_OK;
}

void gw_h2_head_finish_response(struct gw_h2_stream *stream, bool end)
{
    struct gw_head *head = stream->head;

    if (head->status >= 200)
        finish_length(head, end);
    else
        head->body_length = GW_BODY_NONE;
}

/* ── writing ───────────────────────────────────────────────────────────────── */

static bool is_framing(struct gw_slice name)
{
    static const struct gw_slice names[] = {
        { "te", 2 },
        { "host", 4 },
        { "expect", 6 },
        { "upgrade", 7 },
        { "connection", 10 },
        { "keep-alive", 10 },
        { "content-length", 14 },
        { "http2-settings", 14 },
        { "proxy-connection", 16 },
        { "transfer-encoding", 17 },
    };

    for (size_t i = 0; i < GW_ARRAY_LEN(names); i++)
        if (name.len == names[i].len && gw_slice_equal(name, names[i]))
            return true;
    return false;
}

/* RFC 8441 5.1: they prove nothing here. */
static bool is_of_websocket(struct gw_slice name)
{
    return IS(name, "sec-websocket-key") || IS(name, "sec-websocket-accept");
}

/* nghttp2 copies both, and writes to neither. */
static nghttp2_nv pair(struct gw_slice name, struct gw_slice value)
{
    union {
        const char *in;
        uint8_t *out;
    } n = { name.ptr ? name.ptr : "" }, v = { value.ptr ? value.ptr : "" };

    return (nghttp2_nv){ n.out, v.out, name.len, value.len, NGHTTP2_NV_FLAG_NONE };
}

static bool put_fields(nghttp2_nv *nv, size_t *count, const struct gw_fields *fields, bool upgrades)
{
    for (unsigned i = 0; i < fields->count; i++) {
        struct gw_slice name = fields->items[i].name;
        struct gw_slice value = gw_slice_trim(fields->items[i].value);

        if (is_framing(name) || (upgrades && is_of_websocket(name)))
            continue;
        if (!gw_field_name_valid(name) || !gw_field_value_valid(value))
            return false;
        nv[(*count)++] = pair(name, value);
    }
    return true;
}

static void put_length(nghttp2_nv *nv, size_t *count, int64_t length, struct gw_arena *arena)
{
    nv[(*count)++] =
        pair(GW_SLICE("content-length"), gw_arena_printf(arena, "%lld", (long long)length));
}

static bool request_is_writable(const struct gw_head *head, bool end)
{
    if (!gw_token_valid(head->method_name) || head->authority.len == 0 ||
        !gw_visible_valid(head->authority) || !gw_visible_valid(head->path) ||
        !gw_visible_valid(head->query) || !gw_visible_valid(head->protocol))
        return false;
    if (head->body_length > 0 && (end || head->protocol.len))
        return false;
    return head->method == GW_METHOD_CONNECT || (head->path.len && head->path.ptr[0] == '/') ||
           (head->method == GW_METHOD_OPTIONS && IS(head->path, "*"));
}

nghttp2_nv *gw_h2_head_write_request(const struct gw_head *head, bool end, struct gw_arena *arena,
                                     struct gw_slice scheme, size_t *count)
{
    nghttp2_nv *nv;
    bool upgrades = head->protocol.len > 0;

    *count = 0;
    if (!request_is_writable(head, end))
        return NULL;
    nv = gw_arena_alloc(arena, (PSEUDO_MAX + head->fields.count) * sizeof(*nv));
    nv[(*count)++] = pair(GW_SLICE(":method"), upgrades ? GW_SLICE("CONNECT") : head->method_name);
    if (upgrades)
        nv[(*count)++] = pair(GW_SLICE(":protocol"), head->protocol);
    if (upgrades || head->method != GW_METHOD_CONNECT) {
        struct gw_slice path = head->path;

        if (head->has_query)
            path = gw_arena_printf(arena, "%.*s?%.*s", GW_SLICE_ARG(head->path),
                                   GW_SLICE_ARG(head->query));
        nv[(*count)++] = pair(GW_SLICE(":scheme"), scheme);
        nv[(*count)++] = pair(GW_SLICE(":path"), path);
    }
    nv[(*count)++] = pair(GW_SLICE(":authority"), head->authority);
    if (head->body_length >= 0 && !upgrades && head->method != GW_METHOD_CONNECT)
        put_length(nv, count, head->body_length, arena);
    if (head->expect_continue && !end)
        nv[(*count)++] = pair(GW_SLICE("expect"), GW_SLICE("100-continue"));
    return put_fields(nv, count, &head->fields, upgrades) ? nv : NULL;
}

static bool has_length(const struct gw_head *head, const struct gw_h2_stream *stream)
{
    return head->body_length >= 0 && head->status >= 200 && head->status != 204 &&
           !(stream->asks_tunnel && head->status < 300);
}

nghttp2_nv *gw_h2_head_write_response(const struct gw_head *head, bool end,
                                      const struct gw_h2_stream *stream, struct gw_arena *arena,
                                      size_t *count)
{
    bool upgrades = head->status == 101;
    int status = upgrades ? 200 : head->status;
    nghttp2_nv *nv;

    *count = 0;
    if (status < 100 || status > 599 || (upgrades && !stream->asks_upgrade))
        return NULL;
    if (end && head->body_length > 0 && !gw_status_has_no_body(status, stream->method))
        return NULL;
    nv = gw_arena_alloc(arena, (PSEUDO_MAX + head->fields.count) * sizeof(*nv));
    nv[(*count)++] = pair(GW_SLICE(":status"), gw_arena_printf(arena, "%d", status));
    if (has_length(head, stream))
        put_length(nv, count, head->body_length, arena);
    if (status >= 200 && !gw_fields_get(&head->fields, GW_SLICE("date"))) /* RFC 9110 6.6.1 */
        nv[(*count)++] = pair(GW_SLICE("date"), gw_http_date(stream->session->loop->clock.wall_us));
    return put_fields(nv, count, &head->fields, upgrades) ? nv : NULL;
}

nghttp2_nv *gw_h2_head_write_trailers(const struct gw_fields *trailers, unsigned *count)
{
    size_t size = trailers->count * sizeof(nghttp2_nv), written = 0, at;

    for (unsigned i = 0; i < trailers->count; i++)
        size += trailers->items[i].name.len + trailers->items[i].value.len;

    nghttp2_nv *nv = gw_alloc(size ? size : 1);
    char *text = (char *)(nv + trailers->count);

    if (!put_fields(nv, &written, trailers, false)) {
        gw_free(nv);
        return NULL;
    }
    at = 0;
    for (size_t i = 0; i < written; i++) { /* the arena they are in may be gone by then */
        struct gw_slice name = gw_slice((const char *)nv[i].name, nv[i].namelen);
        struct gw_slice value = gw_slice((const char *)nv[i].value, nv[i].valuelen);

        memcpy(text + at, name.ptr, name.len);
        memcpy(text + at + name.len, value.ptr, value.len);
        nv[i] = pair(gw_slice(text + at, name.len), gw_slice(text + at + name.len, value.len));
        at += name.len + value.len;
    }
    *count = (unsigned)written;
    return nv;
}
