#include "http/h1_write.h"

#include "base/check.h"
#include "http/date.h"
#include "http/token.h"

/* Room for the start line's fixed parts, Date and what frames; names and values are counted on
 * top. */
#define FIXED_ROOM 512

/* ── text ──────────────────────────────────────────────────────────────────── */

/* The size is reckoned before, so nothing here can run over; put() asserts it all the same. */
struct text {
    char *start, *at, *end;
    unsigned lines; /* ended with end_line() */
};

static void put(struct text *text, struct gw_slice bytes)
{
    GW_ASSERT((size_t)(text->end - text->at) >= bytes.len);
    if (bytes.len)
        memcpy(text->at, bytes.ptr, bytes.len);
    text->at += bytes.len;
}

static void end_line(struct text *text)
{
    put(text, GW_SLICE("\r\n"));
    text->lines++;
}

/* In one go, because there are many. */
static void put_field(struct text *text, struct gw_slice name, struct gw_slice value)
{
    char *at = text->at;

    GW_ASSERT((size_t)(text->end - at) >= name.len + value.len + 4);
    memcpy(at, name.ptr, name.len);
    at += name.len;
    memcpy(at, ": ", 2);
    at += 2;
    if (value.len)
        memcpy(at, value.ptr, value.len);
    at += value.len;
    memcpy(at, "\r\n", 2);
    text->at = at + 2;
    text->lines++;
}

static void put_line(struct text *text, struct gw_slice bytes)
{
    put(text, bytes);
    end_line(text);
}

#define DIGITS_MAX 20

static struct gw_slice decimal(uint64_t number, char digits[DIGITS_MAX])
{
    size_t at = DIGITS_MAX;

    do
        digits[--at] = (char)('0' + number % 10);
    while (number /= 10);
    return gw_slice(digits + at, DIGITS_MAX - at);
}

static size_t fields_size(const struct gw_fields *fields)
{
    size_t size = 0;

    for (unsigned i = 0; i < fields->count; i++)
        size += fields->items[i].name.len + fields->items[i].value.len + 4;
    return size;
}

static struct text text_new(struct gw_arena *arena, size_t size)
{
    char *start = gw_arena_alloc(arena, size);

    return (struct text){ .start = start, .at = start, .end = start + size };
}

/* The text, when no control bytes stand in it but those that end our lines: whatever came with a
 * name or a value would be a line more (attacks.md, framing 8). Checked once for all of them. */
static enum gw_error finish(const struct text *text, struct gw_slice *out)
{
    *out = gw_slice(text->start, (size_t)(text->at - text->start));
    return gw_count_controls(out->ptr, out->len) == 2 * (size_t)text->lines ? GW_OK : GW_E_INTERNAL;
}

/* ── fields ────────────────────────────────────────────────────────────────── */

#define IS(name, literal) (memcmp((name).ptr, literal, sizeof(literal) - 1) == 0)

static bool is_framing(struct gw_slice name)
{
    switch (name.len) {
    case 2:
        return IS(name, "te");
    case 4:
        return IS(name, "host");
    case 6:
        return IS(name, "expect");
    case 7:
        return IS(name, "upgrade");
    case 10:
        return IS(name, "connection") || IS(name, "keep-alive");
    case 14:
        return IS(name, "content-length") || IS(name, "http2-settings");
    case 16:
        return IS(name, "proxy-connection");
    case 17:
        return IS(name, "transfer-encoding");
    default:
        return false;
    }
}

static enum gw_error put_fields(struct text *text, const struct gw_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        const struct gw_field *field = &fields->items[i];

        if (is_framing(field->name))
            continue;
        if (!gw_field_name_valid(field->name))
            return GW_E_INTERNAL;
        put_field(text, field->name, field->value);
    }
    return GW_OK;
}

static void put_length(struct text *text, int64_t length)
{
    char digits[DIGITS_MAX];

    put_field(text, GW_SLICE("content-length"), decimal((uint64_t)length, digits));
}

static void put_body(struct text *text, struct gw_h1_written *written, int64_t body_length)
{
    if (body_length >= 0) {
        written->body = GW_H1_BODY_LENGTH;
        written->length = body_length;
        put_length(text, body_length);
    } else {
        written->body = GW_H1_BODY_CHUNKED;
        put_line(text, GW_SLICE("transfer-encoding: chunked"));
    }
}

/* ── requests ──────────────────────────────────────────────────────────────── */

static bool request_is_writable(const struct gw_head *head)
{
    if (!gw_token_valid(head->method_name) || head->authority.len == 0 ||
        !gw_visible_valid(head->authority) || !gw_visible_valid(head->path) ||
        !gw_visible_valid(head->query))
        return false;
    if (head->protocol.len && !gw_visible_valid(head->protocol))
        return false;
    /* A path that does not begin with "/" would melt into what stands before it; "*" is OPTIONS'
     * own. */
    return head->method == GW_METHOD_CONNECT || (head->path.len && head->path.ptr[0] == '/') ||
           (head->method == GW_METHOD_OPTIONS && gw_slice_equal(head->path, GW_SLICE("*")));
}

static void put_request_line(struct text *text, const struct gw_head *head)
{
    put(text, head->method_name);
    put(text, GW_SLICE(" "));
    if (head->method == GW_METHOD_CONNECT) {
        put(text, head->authority);
    } else {
        put(text, head->path);
        if (head->has_query) {
            put(text, GW_SLICE("?"));
            put(text, head->query);
        }
    }
    put_line(text, GW_SLICE(" HTTP/1.1"));
    put_field(text, GW_SLICE("host"), head->authority);
}

/* RFC 9110 8.6: methods whose body means something say that it is empty. */
static bool says_zero(enum gw_method method)
{
    return method == GW_METHOD_POST || method == GW_METHOD_PUT || method == GW_METHOD_PATCH ||
           method == GW_METHOD_QUERY;
}

static enum gw_error put_request_framing(struct text *text, const struct gw_head *head, bool end,
                                         struct gw_h1_written *written)
{
    written->body = GW_H1_BODY_NONE;
    if (head->method == GW_METHOD_CONNECT)
        return GW_OK;
    if (head->protocol.len) {
        put_line(text, GW_SLICE("connection: upgrade"));
        put_field(text, GW_SLICE("upgrade"), head->protocol);
        return head->body_length > 0 ? GW_E_INTERNAL : GW_OK;
    }
    if (end) {
        if (head->body_length > 0)
            return GW_E_INTERNAL;
        if (head->body_length == 0 || says_zero(head->method))
            put_length(text, 0);
        return GW_OK;
    }
    put_body(text, written, head->body_length);
    if (head->expect_continue)
        put_line(text, GW_SLICE("expect: 100-continue"));
    return GW_OK;
}

enum gw_error gw_h1_write_request(const struct gw_head *head, bool end, struct gw_arena *arena,
                                  struct gw_h1_written *written)
{
    *written = (struct gw_h1_written){ .body = GW_H1_BODY_NONE };
    if (!request_is_writable(head))
        return GW_E_INTERNAL;

    struct text text = text_new(
        arena, FIXED_ROOM + head->method_name.len + 2 * head->authority.len + head->path.len +
                   head->query.len + head->protocol.len + fields_size(&head->fields));

    put_request_line(&text, head);

    enum gw_error error = put_fields(&text, &head->fields);

    if (!error)
        error = put_request_framing(&text, head, end, written);
    end_line(&text);

    enum gw_error unclean = finish(&text, &written->text);

    return error ? error : unclean;
}

/* ── responses ─────────────────────────────────────────────────────────────── */

static void put_status_line(struct text *text, const struct gw_head *head)
{
    char digits[DIGITS_MAX];

    put(text, GW_SLICE("HTTP/1.1 "));
    put(text, decimal((uint64_t)head->status, digits));
    put(text, GW_SLICE(" "));
    if (head->reason.len && gw_field_value_valid(head->reason))
        put(text, head->reason);
    else
        put(text, gw_slice_from(gw_status_reason(head->status)));
    end_line(text);
}

static enum gw_error put_upgrade(struct text *text, struct gw_slice protocol)
{
    if (protocol.len == 0 || !gw_field_value_valid(protocol))
        return GW_E_INTERNAL;
    put_line(text, GW_SLICE("connection: upgrade"));
    put_field(text, GW_SLICE("upgrade"), protocol);
    return GW_OK;
}

static void put_persistence(struct text *text, const struct gw_h1_asked *asked)
{
    if (!asked->keep_alive)
        put_line(text, GW_SLICE("connection: close"));
    else if (asked->version == 10)
        put_line(text, GW_SLICE("connection: keep-alive"));
}

static enum gw_error put_response_framing(struct text *text, const struct gw_head *head, bool end,
                                          struct gw_h1_asked *asked, struct gw_h1_written *written)
{
    int64_t length = head->body_length;

    if (head->status == 101 || (asked->method == GW_METHOD_CONNECT && head->status < 300)) {
        written->body = GW_H1_BODY_TUNNEL;
        if (head->status != 101)
            return GW_OK;
        if (asked->protocol.len == 0)
            /* nobody asked: the client's next request would be the tunnel's bytes */
            return GW_E_INTERNAL;
        return put_upgrade(text, head->protocol.len ? head->protocol : asked->protocol);
    }
    if (gw_status_has_no_body(head->status, asked->method)) {
        /* RFC 9110 8.6: only to HEAD and in a 304 a length may stand, as what GET would bring. */
        if (length >= 0 && head->status >= 200 && head->status != 204)
            put_length(text, length);
    } else if (end) {
        if (length > 0)
            return GW_E_INTERNAL;
        put_length(text, 0);
    } else if (length < 0 && asked->version == 10) {
        written->body = GW_H1_BODY_CLOSE;
        asked->keep_alive = false;
    } else {
        put_body(text, written, length);
    }
    put_persistence(text, asked);
    if (head->status == 426 && head->protocol.len)
        return put_upgrade(text, head->protocol);
    return GW_OK;
}

enum gw_error gw_h1_write_response(const struct gw_head *head, bool end, struct gw_h1_asked *asked,
                                   struct gw_arena *arena, struct gw_h1_written *written)
{
    *written = (struct gw_h1_written){ .body = GW_H1_BODY_NONE };
    if (head->status < 100 || head->status > 599)
        return GW_E_INTERNAL;

    struct text text = text_new(arena, FIXED_ROOM + head->reason.len + head->protocol.len +
                                           asked->protocol.len + fields_size(&head->fields));
    bool interim = head->status < 200 && head->status != 101;
    enum gw_error error;

    put_status_line(&text, head);
    error = put_fields(&text, &head->fields);
    if (!error && !interim) {
        if (!gw_fields_get(&head->fields, GW_SLICE("date"))) /* RFC 9110 6.6.1 */
            put_field(&text, GW_SLICE("date"), gw_http_date(asked->wall_us));
        error = put_response_framing(&text, head, end, asked, written);
    }
    end_line(&text);

    enum gw_error unclean = finish(&text, &written->text);

    return error ? error : unclean;
}

/* ── bodies ────────────────────────────────────────────────────────────────── */

enum gw_error gw_h1_write_trailers(const struct gw_fields *trailers, struct gw_arena *arena,
                                   struct gw_slice *text_out)
{
    struct text text = text_new(arena, FIXED_ROOM + fields_size(trailers));

    put_line(&text, GW_SLICE("0"));

    enum gw_error error = put_fields(&text, trailers);

    end_line(&text);

    enum gw_error unclean = finish(&text, text_out);

    return error ? error : unclean;
}

struct gw_slice gw_h1_chunk_line(char out[GW_H1_CHUNK_LINE_MAX], size_t len)
{
    static const char hex[] = "0123456789abcdef";
    size_t at = GW_H1_CHUNK_LINE_MAX;

    out[--at] = '\n';
    out[--at] = '\r';
    do
        out[--at] = hex[len & 0xf];
    while (len >>= 4);
    return gw_slice(out + at, GW_H1_CHUNK_LINE_MAX - at);
}
