/* Fields that come become a gw_head. What RFC 9113 8.2 and 8.3
 * say of names, pseudo fields and their order is checked by nghttp2, which ends the stream; what
 * HTTP/1 is judged by as well is judged here, by the same functions. */
#include "http/h2_session.h"

#include "http/token.h"
#include "http/trailer.h"
#include "http/uri.h"

#define FIELD_OVERHEAD 32 /* RFC 9113 6.5.2 */
#define METHOD_MAX 32

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
    else if (IS(name, ":status") && gw_slice_to_int64(value, &status) && status >= 100 &&
             status <= 599)
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

static void finish_length(struct gw_h2_stream *stream, bool end)
{
    struct gw_head *head = stream->head;

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
        finish_length(stream, end);
    if (head->body_length == GW_BODY_NONE || head->body_length == 0)
        head->expect_continue = false; /* RFC 9110 10.1.1: nothing to wait with */
    return GW_OK;
}

void gw_h2_head_finish_response(struct gw_h2_stream *stream, bool end)
{
    struct gw_head *head = stream->head;

    if (head->status >= 200)
        finish_length(stream, end);
    else
        head->body_length = GW_BODY_NONE;
}
