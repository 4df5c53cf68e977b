#include "http/h1_head.h"

#include "http/hop.h"
#include "http/token.h"
#include "http/uri.h"

/* ── start lines ───────────────────────────────────────────────────────────── */

/* "HTTP/1.1" → 11. Only one digit on each side of the dot is a version at all (RFC 9112 2.3). */
static enum gw_error read_version(struct gw_slice text, int *version)
{
    if (text.len != 8 || memcmp(text.ptr, "HTTP/", 5) != 0 || text.ptr[6] != '.' ||
        text.ptr[5] < '0' || text.ptr[5] > '9' || text.ptr[7] < '0' || text.ptr[7] > '9')
        return GW_E_BAD_REQUEST;
    *version = (text.ptr[5] - '0') * 10 + (text.ptr[7] - '0');
    return *version == 10 || *version == 11 ? GW_OK : GW_E_HTTP_VERSION;
}

/* Cuts the bytes before the next space off; false when there is no space. */
static bool cut_word(struct gw_slice *rest, struct gw_slice *word)
{
    const char *space = rest->len ? memchr(rest->ptr, ' ', rest->len) : NULL;

    if (!space)
        return false;
    *word = gw_slice(rest->ptr, (size_t)(space - rest->ptr));
    *rest = gw_slice_skip(*rest, word->len + 1);
    return true;
}

enum gw_error gw_h1_read_request_line(struct gw_head *head, struct gw_slice line, size_t max_target)
{
    struct gw_slice method;

    if (!cut_word(&line, &method) || method.len > GW_H1_METHOD_MAX || !gw_token_valid(method))
        return GW_E_BAD_REQUEST;
    head->method_name = method;
    head->method = gw_method_parse(method);
    if (!cut_word(&line, &head->raw_target)) {
        head->raw_target = line; /* HTTP/0.9: "GET /" */
        return line.len ? GW_E_HTTP_VERSION : GW_E_BAD_REQUEST;
    }
    if (head->raw_target.len == 0)
        return GW_E_BAD_REQUEST;
    if (head->raw_target.len > max_target)
        return GW_E_TARGET_TOO_LONG;
    if (gw_slice_equal(method, GW_SLICE("PRI")))
        return GW_E_HTTP_VERSION; /* the preface of HTTP/2 (RFC 9113 3.4) */
    return read_version(line, &head->version);
}

enum gw_error gw_h1_read_status_line(struct gw_head *head, struct gw_slice line)
{
    struct gw_slice version;
    int64_t status;

    if (!cut_word(&line, &version))
        return GW_E_BAD_REQUEST;

    enum gw_error error = read_version(version, &head->version);

    if (error)
        return error;
    if (line.len < 3 || !gw_slice_to_int64(gw_slice(line.ptr, 3), &status) || status < 100 ||
        status > 599 || (line.len > 3 && line.ptr[3] != ' '))
        return GW_E_BAD_REQUEST;
    head->status = (int)status;
    head->reason = gw_slice_skip(line, 4);
    return GW_OK;
}

/* ── fields ────────────────────────────────────────────────────────────────── */

static void read_connection(struct gw_h1_reader *reader, struct gw_slice value)
{
    struct gw_slice rest = value;
    struct gw_slice item;
    bool names_more = false;

    while (gw_slice_next(&rest, ',', &item)) {
        if (gw_slice_equal_nocase(item, GW_SLICE("close")))
            reader->close = true;
        else if (gw_slice_equal_nocase(item, GW_SLICE("keep-alive")))
            reader->stay = true;
        else if (gw_slice_equal_nocase(item, GW_SLICE("upgrade")))
            reader->upgrade_option = true;
        else
            names_more = true;
    }
    if (names_more)
        gw_fields_add(&reader->connection, reader->arena, GW_SLICE("connection"), value);
}

/* Exactly one number of digits only. Leading zeros, lists and repetitions are refused even where
 * they agree: what one server merges another takes apart (attacks.md, framing 3). */
static void read_length(struct gw_h1_reader *reader, struct gw_slice value)
{
    int64_t length;

    if (reader->lengths++ || (value.len > 1 && value.ptr[0] == '0') ||
        !gw_slice_to_int64(value, &length)) {
        reader->error = GW_E_BAD_FRAMING;
        return;
    }
    reader->framing->content_length = length;
}

/* RFC 9110 10.1.1: what is not understood fails. A client of HTTP/1.0 cannot expect. */
static void read_expect(struct gw_h1_reader *reader, struct gw_slice value)
{
    if (reader->head->version == 10)
        return;
    if (gw_slice_equal_nocase(value, GW_SLICE("100-continue")))
        reader->head->expect_continue = true;
    else
        reader->error = GW_E_EXPECT;
}

#define IS(name, literal) (memcmp((name).ptr, literal, sizeof(literal) - 1) == 0)

/* RFC 9110 5.6.3 lets a tab stand there, but not all servers do. */
static bool ends_with_tab(struct gw_slice untrimmed, struct gw_slice value)
{
    const char *end = value.ptr + value.len;

    return memchr(end, '\t', (size_t)(untrimmed.ptr + untrimmed.len - end)) != NULL;
}

/* Framing fields end here; false: the field belongs to the message. */
static bool read_framing(struct gw_h1_reader *reader, struct gw_slice name, struct gw_slice value)
{
    switch (name.len) {
    case 2:
        return IS(name, "te");
    case 4:
        if (!IS(name, "host"))
            return false;
        reader->hosts++;
        reader->host = value;
        return true;
    case 6:
        if (reader->is_response || !IS(name, "expect"))
            return false;
        read_expect(reader, value);
        return true;
    case 7:
        if (!IS(name, "upgrade"))
            return false;
        if (reader->upgrade.len == 0)
            reader->upgrade = value;
        return true;
    case 10:
        if (IS(name, "connection"))
            read_connection(reader, value);
        return IS(name, "connection") || IS(name, "keep-alive");
    case 14:
        if (IS(name, "content-length"))
            read_length(reader, value);
        return IS(name, "content-length") || IS(name, "http2-settings");
    case 17:
        if (!IS(name, "transfer-encoding"))
            return false;
        reader->codings++;
        reader->coding_is_chunked = gw_slice_equal_nocase(value, GW_SLICE("chunked")) &&
                                    !ends_with_tab(reader->value, value);
        return true;
    default:
        return false;
    }
}

int gw_h1_reader_on_name(llhttp_t *http, const char *at, size_t len)
{
    struct gw_h1_reader *reader = http->data;

    if (reader->name.len && reader->name.ptr + reader->name.len == at)
        reader->name.len += len;
    else
        reader->name = gw_slice(at, len);
    return 0;
}

int gw_h1_reader_on_value(llhttp_t *http, const char *at, size_t len)
{
    struct gw_h1_reader *reader = http->data;

    if (reader->value.len && reader->value.ptr + reader->value.len == at)
        reader->value.len += len;
    else
        reader->value = gw_slice(at, len);
    return 0;
}

int gw_h1_reader_on_field_end(llhttp_t *http)
{
    struct gw_h1_reader *reader = http->data;
    struct gw_slice name = reader->name;
    struct gw_slice value = gw_slice_trim(reader->value);

    if (++reader->seen > reader->max_fields)
        reader->error = GW_E_HEAD_TOO_LARGE;
    else if (!gw_token_lower_name(reader->block + (name.ptr - reader->block), name.len))
        reader->error = GW_E_BAD_REQUEST;
    else if (!read_framing(reader, name, value))
        gw_fields_add(&reader->head->fields, reader->arena, name, value);
    reader->name = reader->value = GW_SLICE_EMPTY;
    return reader->error ? -1 : 0;
}

/* ── what it all means ─────────────────────────────────────────────────────── */

/* RFC 9112 6.1-6.3, the strict half: whatever another server could read differently is refused,
 * never repaired. */
static enum gw_error finish_framing(struct gw_h1_reader *reader)
{
    struct gw_h1_framing *framing = reader->framing;

    if (reader->codings == 0)
        return GW_OK;
    if (reader->codings > 1 || !reader->coding_is_chunked || reader->lengths ||
        reader->head->version == 10)
        return GW_E_BAD_FRAMING;
    framing->chunked = true;
    return GW_OK;
}

/* The first protocol offered that is not HTTP/2, in lower case; that one is never taken over
 * cleartext (RFC 9113 3.1 has retired it) and has smuggled requests past proxies. */
static void finish_upgrade(struct gw_h1_reader *reader)
{
    struct gw_slice rest = reader->upgrade;
    struct gw_slice item;

    if (!reader->upgrade_option || reader->head->version == 10 || rest.len == 0)
        return;
    while (gw_slice_next(&rest, ',', &item)) {
        if (item.len == 0 || !gw_visible_valid(item) ||
            gw_slice_equal_nocase(item, GW_SLICE("h2c")) ||
            gw_slice_equal_nocase(item, GW_SLICE("h2")))
            continue; /* what is no token could not be passed on */

        char *bytes = reader->block + (item.ptr - reader->block);

        for (size_t i = 0; i < item.len; i++)
            bytes[i] = gw_lower(bytes[i]);
        reader->head->protocol = item;
        return;
    }
}

/* RFC 9112 3.2: one Host, valid, and the target's own authority before it. */
static enum gw_error finish_host(struct gw_h1_reader *reader)
{
    struct gw_head *head = reader->head;
    struct gw_slice authority;

    if (reader->hosts > 1 || (reader->hosts == 0 && head->version == 11))
        return GW_E_BAD_HOST;
    if (reader->hosts == 0)
        return GW_OK;

    enum gw_error error = gw_uri_parse_authority(reader->host, reader->arena, &authority);

    if (!error && head->authority.len == 0)
        head->authority = authority;
    return error;
}

static enum gw_error finish_request(struct gw_h1_reader *reader)
{
    struct gw_head *head = reader->head;
    struct gw_h1_framing *framing = reader->framing;
    enum gw_error error = gw_uri_parse_target(head, head->raw_target, reader->arena);

    if (!error)
        error = finish_host(reader);
    if (error)
        return error;
    if (head->method == GW_METHOD_CONNECT && (framing->chunked || framing->content_length > 0))
        return GW_E_BAD_FRAMING; /* RFC 9110 9.3.6: what follows is the tunnel */
    head->body_length = framing->chunked              ? GW_BODY_UNKNOWN
                        : framing->content_length < 0 ? GW_BODY_NONE
                                                      : framing->content_length;
    if (head->body_length == GW_BODY_NONE || head->body_length == 0)
        head->expect_continue = false; /* RFC 9110 10.1.1: nothing to wait with */
    else
        head->protocol = GW_SLICE_EMPTY; /* RFC 9110 7.8: may be ignored; nobody needs both */
    return GW_OK;
}

enum gw_error gw_h1_reader_finish(struct gw_h1_reader *reader)
{
    struct gw_head *head = reader->head;
    enum gw_error error = finish_framing(reader);

    if (error)
        return error;
    finish_upgrade(reader);
    reader->framing->keep_alive = !reader->close && (head->version == 11 || reader->stay);
    for (unsigned i = 0; i < reader->connection.count; i++)
        if (!gw_hop_remove_named(&head->fields, reader->connection.items[i].value))
            return GW_E_BAD_REQUEST;
    return reader->is_response ? GW_OK : finish_request(reader);
}
