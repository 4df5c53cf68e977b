/* What must hold for any bytes of a client: cut anywhere they mean the same, a second reader
 * written in another way sees the same requests in them, and what was understood, written anew,
 * is understood as the same. */
#include "h1_wire.h"

#define REQUESTS_MAX (FUZZ_MESSAGES_MAX - 2)

/* ── a second reader ───────────────────────────────────────────────────────── */

/* Reads as servers do that look for lines first and ask what they mean later. */
struct naive {
    struct gw_slice rest;
    struct gw_slice method, target;
    struct gw_buf body;
};

static bool cut_line(struct gw_slice *rest, struct gw_slice *line)
{
    const char *end = rest->len ? memmem(rest->ptr, rest->len, "\r\n", 2) : NULL;

    if (!end)
        return false;
    *line = gw_slice(rest->ptr, (size_t)(end - rest->ptr));
    *rest = gw_slice_skip(*rest, line->len + 2);
    return true;
}

static bool cut_data(struct naive *naive, size_t len)
{
    if (naive->rest.len < len)
        return false;
    gw_buf_append(&naive->body, gw_slice(naive->rest.ptr, len));
    naive->rest = gw_slice_skip(naive->rest, len);
    return true;
}

static bool read_chunks(struct naive *naive)
{
    struct gw_slice line;

    while (cut_line(&naive->rest, &line)) {
        char digits[20] = { 0 };
        char *end;

        memcpy(digits, line.ptr, line.len < 19 ? line.len : 19);

        size_t size = strtoul(digits, &end, 16);

        if (end == digits || (*end && !strchr("; \t", *end)))
            return false;
        if (size == 0) {
            while (cut_line(&naive->rest, &line))
                if (line.len == 0)
                    return true;
            return false;
        }
        if (!cut_data(naive, size) || !cut_line(&naive->rest, &line) || line.len)
            return false;
    }
    return false;
}

struct naive_framing {
    unsigned lengths, codings, hosts;
    size_t length;
};

static bool read_field(struct naive_framing *framing, struct gw_slice line)
{
    const char *colon = memchr(line.ptr, ':', line.len);

    if (!colon)
        return false;

    struct gw_slice name = gw_slice(line.ptr, (size_t)(colon - line.ptr));
    struct gw_slice value = gw_slice_trim(gw_slice_skip(line, name.len + 1));
    int64_t length;

    framing->hosts += gw_slice_equal_nocase(name, GW_SLICE("host"));
    if (gw_slice_equal_nocase(name, GW_SLICE("content-length"))) {
        framing->lengths++;
        if (!gw_slice_to_int64(value, &length))
            return false;
        framing->length = (size_t)length;
    }
    if (gw_slice_equal_nocase(name, GW_SLICE("transfer-encoding"))) {
        framing->codings++;
        return gw_slice_equal_nocase(value, GW_SLICE("chunked"));
    }
    return true;
}

static bool read_next(struct naive *naive)
{
    struct naive_framing framing = { 0 };
    struct gw_slice line, version;

    gw_buf_clear(&naive->body);
    if (!cut_line(&naive->rest, &line) || (line.len == 0 && !cut_line(&naive->rest, &line)))
        return false;
    if (!gw_slice_next(&line, ' ', &naive->method) || !gw_slice_next(&line, ' ', &naive->target))
        return false;
    version = line;
    if (!gw_slice_equal(version, GW_SLICE("HTTP/1.1")) &&
        !gw_slice_equal(version, GW_SLICE("HTTP/1.0")))
        return false;
    while (cut_line(&naive->rest, &line)) {
        if (line.len == 0)
            break;
        if (!read_field(&framing, line))
            return false;
    }
    if (line.len || framing.hosts > 1 || framing.lengths + framing.codings > 1)
        return false;
    return framing.codings ? read_chunks(naive) : cut_data(naive, framing.length);
}

static void check_naive(struct gw_slice bytes, const struct fuzz_reading *reading)
{
    struct naive naive = { .rest = bytes };

    gw_buf_init(&naive.body, SIZE_MAX / 2);
    for (unsigned i = 0; i < reading->count && !reading->messages[i].error; i++) {
        const struct fuzz_message *message = &reading->messages[i];

        FUZZ_CHECK(read_next(&naive), "a simple reader finds no request where we found\n%.*s",
                   GW_SLICE_ARG(gw_buf_slice(&reading->text)));
        fuzz_check_same("method", message->head->method_name, naive.method);
        fuzz_check_same("target", message->head->raw_target, naive.target);
        fuzz_check_same("body", gw_buf_slice(&message->body), gw_buf_slice(&naive.body));
    }
    gw_buf_deinit(&naive.body);
}

/* ── the same again ────────────────────────────────────────────────────────── */

static void check_written(const struct fuzz_message *message)
{
    struct fuzz_reading written, again;
    struct gw_buf text;

    if (gw_fields_get(&message->head->fields, GW_SLICE("proxy-connection")))
        return; /* read as any field, and never written */
    fuzz_write_request(&written, message);
    fuzz_read_requests(&again, gw_buf_slice(&written.answers), FUZZ_WHOLE);
    gw_buf_init(&text, SIZE_MAX / 2);
    fuzz_describe(&text, message);
    fuzz_check_same("written and read again", gw_buf_slice(&text), gw_buf_slice(&again.text));
    gw_buf_deinit(&text);
    fuzz_reading_free(&again);
    fuzz_reading_free(&written);
}

static unsigned count_answers(struct gw_slice text)
{
    unsigned count = 0;
    const char *at;

    while (text.len && (at = memmem(text.ptr, text.len, "HTTP/1.1 ", 9))) {
        count++;
        text = gw_slice_skip(text, (size_t)(at - text.ptr) + 9);
    }
    return count;
}

/* Each line that may begin a request could be one: more than a reading holds are not tried. */
static bool too_many(struct gw_slice bytes)
{
    unsigned count = 0;

    for (size_t i = 0; i + 4 < bytes.len; i++)
        count += memcmp(bytes.ptr + i, "HTTP/", 5) == 0;
    return count > REQUESTS_MAX;
}

void fuzz_check_requests(struct gw_slice bytes)
{
    struct fuzz_reading whole, cut;

    if (too_many(bytes))
        return;
    fuzz_read_requests(&whole, bytes, FUZZ_WHOLE);
    for (enum fuzz_cut how = FUZZ_BYTES; how <= FUZZ_PIECES; how++) {
        if (how == FUZZ_BYTES && bytes.len > 120)
            continue;
        fuzz_read_requests(&cut, bytes, how);
        fuzz_check_same("cut elsewhere", gw_buf_slice(&whole.text), gw_buf_slice(&cut.text));
        if (!whole.count || !whole.messages[whole.count - 1].error)
            fuzz_check_same("answers", gw_buf_slice(&whole.answers), gw_buf_slice(&cut.answers));
        fuzz_reading_free(&cut);
    }
    check_naive(bytes, &whole);
    FUZZ_CHECK(count_answers(gw_buf_slice(&whole.answers)) <= whole.count, "answers nobody asked");
    for (unsigned i = 0; i < whole.count; i++)
        if (!whole.messages[i].error &&
            whole.messages[i].head->authority.len) /* HTTP/1.0 may not */
            check_written(&whole.messages[i]);
    fuzz_reading_free(&whole);
}
