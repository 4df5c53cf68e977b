/* A gw_head becomes fields that go: nothing of it can be read as two fields, or as framing. */
#include "http/h2_session.h"

#include "base/alloc.h"
#include "http/date.h"
#include "http/token.h"
#include "http/websocket_key.h"

#define PSEUDO_MAX 9 /* pseudo fields, content-length, date, expect, te */

#define IS(name, literal) gw_slice_equal(name, GW_SLICE(literal))

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
    return gw_slice_equal(name, GW_WEBSOCKET_KEY_FIELD) ||
           gw_slice_equal(name, GW_WEBSOCKET_ACCEPT_FIELD);
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
    nv[(*count)++] = pair(GW_SLICE("content-length"), gw_arena_number(arena, (uint64_t)length));
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
    if (head->wants_trailers)
        nv[(*count)++] = pair(GW_SLICE("te"), GW_SLICE("trailers"));
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
    nv[(*count)++] = pair(GW_SLICE(":status"), gw_arena_number(arena, (uint64_t)status));
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
