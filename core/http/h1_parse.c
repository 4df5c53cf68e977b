/* One message after the other: head, body, end.
 *
 * llhttp reads the fields of a head and the chunks of a body, without a lenient flag, always as
 * those of a request: the rules for a request's framing are the stricter ones, and both roles want
 * them. What it leaves to us, and where it is done:
 *
 *   h1_block.c   line ends, control bytes, obs-fold, head bytes, number of lines
 *   h1_head.c    start lines (any method that is a token, only 1.0 and 1.1), one Host, one
 *                Content-Length, one Transfer-Encoding that is "chunked" and nothing else, never
 *                both, never on HTTP/1.0; Expect, Upgrade, Connection's list
 *   uri.c        targets and authorities
 *   h1_chunks.c  chunk extensions, chunk sizes, trailers and which of them may be
 *   here         bodies that cannot be (204, 304, HEAD), number of 1xx, unasked 101
 *   h1_server.c, h1_client.c  nothing after a message that ended the connection */
#include "http/h1_parse.h"

#include "http/h1_chunks.h"

void gw_h1_parse_init(struct gw_h1_parse *parse, bool is_response,
                      const struct gw_session_limits *limits)
{
    memset(parse, 0, sizeof(*parse));
    parse->is_response = is_response;
    parse->limits = limits;
    gw_h1_block_init(&parse->block);
}

void gw_h1_parse_deinit(struct gw_h1_parse *parse)
{
    gw_h1_block_deinit(&parse->block);
    gw_buf_deinit(&parse->scratch);
}

bool gw_h1_parse_begun(const struct gw_h1_parse *parse)
{
    return parse->state != GW_H1_IDLE;
}

void gw_h1_parse_next_message(struct gw_h1_parse *parse)
{
    GW_ASSERT(parse->state == GW_H1_DONE);
    parse->state = GW_H1_IDLE;
    parse->arena = NULL;
    parse->head = NULL;
    parse->trailers = NULL;
    parse->ended = false;
    parse->asked_upgrade = false;
    parse->interim = 0;
}

void gw_h1_parse_forget(struct gw_h1_parse *parse)
{
    parse->arena = NULL;
    parse->head = NULL;
    parse->trailers = NULL;
}

void gw_h1_parse_tunnel(struct gw_h1_parse *parse)
{
    parse->state = GW_H1_TUNNEL;
    parse->ended = false;
}

/* ── failing ───────────────────────────────────────────────────────────────── */

/* A response's faults are the upstream's. */
static enum gw_error name_error(const struct gw_h1_parse *parse, enum gw_error error)
{
    if (!parse->is_response)
        return error;
    return error == GW_E_HEAD_TOO_LARGE ? GW_E_UPSTREAM_HEAD_TOO_LARGE : GW_E_UPSTREAM_PROTOCOL;
}

static enum gw_h1_step fail(struct gw_h1_parse *parse, enum gw_error error)
{
    parse->state = GW_H1_DEAD;
    parse->error = name_error(parse, error);
    return GW_H1_FAILED;
}

static void need_head(struct gw_h1_parse *parse)
{
    if (!parse->arena)
        parse->arena = gw_arena_new();
    parse->head = gw_arena_alloc_zero(parse->arena, sizeof(*parse->head));
    parse->head->body_length = GW_BODY_NONE;
}

/* A head that is refused before it is whole: its first line is kept for the log. */
static enum gw_h1_step fail_block(struct gw_h1_parse *parse, struct gw_slice input,
                                  enum gw_error error)
{
    need_head(parse);
    if (!parse->is_response) {
        struct gw_slice line = gw_h1_block_first_line(&parse->block, input);
        size_t max = parse->limits->target_bytes + GW_H1_METHOD_MAX;

        line.len = line.len < max ? line.len : max;
        line = gw_arena_copy(parse->arena, line);
        (void)gw_h1_read_request_line(parse->head, line, SIZE_MAX);
    }
    gw_h1_block_clear(&parse->block);
    return fail(parse,
                error == GW_E_TARGET_TOO_LONG && parse->is_response ? GW_E_HEAD_TOO_LARGE : error);
}

void gw_h1_parse_refuse(struct gw_h1_parse *parse, enum gw_error why)
{
    GW_ASSERT(parse->state == GW_H1_IN_HEAD || parse->state == GW_H1_IDLE);
    fail_block(parse, GW_SLICE_EMPTY, why);
}

/* ── heads ─────────────────────────────────────────────────────────────────── */

/* What fields mean for framing does not depend on the start line any more once we have read it;
 * llhttp gets a plain one, since it knows only its own list of methods. */
static const char plain_line[] = "POST / HTTP/1.1\r\n";

static int on_head_complete(llhttp_t *http)
{
    (void)http;
    return HPE_PAUSED;
}

static const llhttp_settings_t head_settings = {
    .on_header_field = gw_h1_reader_on_name,
    .on_header_value = gw_h1_reader_on_value,
    .on_header_value_complete = gw_h1_reader_on_field_end,
    .on_headers_complete = on_head_complete,
};

/* A parser that has read the plain line, to be copied. */
static const llhttp_t *begun(void)
{
    static _Thread_local llhttp_t http;

    if (!http.settings) {
        llhttp_init(&http, HTTP_REQUEST, &head_settings);

        enum llhttp_errno result = llhttp_execute(&http, plain_line, sizeof(plain_line) - 1);

        GW_ASSERT(result == HPE_OK);
    }
    return &http;
}

static enum gw_error read_fields(struct gw_h1_parse *parse, struct gw_h1_reader *reader,
                                 struct gw_slice bytes)
{
    llhttp_t *http = &parse->http;

    *http = *begun();
    http->data = reader;

    enum llhttp_errno result = llhttp_execute(http, bytes.ptr, bytes.len);

    if (reader->error)
        return reader->error;
    switch (result) {
    case HPE_PAUSED:
        /* Both of us must mean the same end. */
        return llhttp_get_error_pos(http) == bytes.ptr + bytes.len ? GW_OK : GW_E_BAD_REQUEST;
    case HPE_INVALID_CONTENT_LENGTH:
    case HPE_UNEXPECTED_CONTENT_LENGTH:
    case HPE_INVALID_TRANSFER_ENCODING:
        return GW_E_BAD_FRAMING;
    default:
        return GW_E_BAD_REQUEST;
    }
}

static enum gw_error read_head(struct gw_h1_parse *parse, struct gw_slice block)
{
    size_t first = (size_t)((const char *)memchr(block.ptr, '\r', block.len) - block.ptr);
    struct gw_slice line = gw_slice(block.ptr, first);
    enum gw_error error = parse->is_response ? gw_h1_read_status_line(parse->head, line)
                                             : gw_h1_read_request_line(parse->head, line,
                                                                       parse->limits->target_bytes);
    if (error)
        return error;

    parse->framing = (struct gw_h1_framing){ .content_length = -1 };

    struct gw_h1_reader reader = {
        .arena = parse->arena,
        .head = parse->head,
        .framing = &parse->framing,
        .is_response = parse->is_response,
        .max_fields = parse->limits->headers,
        .block = (char *)(uintptr_t)block.ptr, /* a copy of ours in the arena */
    };

    error = read_fields(parse, &reader, gw_slice_skip(block, first + 2));
    return error ? error : gw_h1_reader_finish(&reader);
}

/* RFC 9112 6.3 for what is left: what kind of body follows. */
static void expect_body(struct gw_h1_parse *parse)
{
    parse->ended = parse->body_begun = false;
    if (parse->framing.chunked) {
        parse->state = GW_H1_IN_CHUNKS;
        gw_h1_chunks_begin(parse);
        return;
    }
    parse->remaining = parse->framing.content_length;
    if (parse->remaining > 0) {
        parse->state = GW_H1_IN_LENGTH;
        return;
    }
    if (parse->remaining < 0 && parse->is_response) {
        parse->state = GW_H1_UNTIL_CLOSE;
        parse->framing.keep_alive = false;
        return;
    }
    parse->state = GW_H1_DONE;
    parse->ended = true;
}

/* Heads below 200 are followed by another head, except 101. */
static enum gw_h1_step finish_interim(struct gw_h1_parse *parse)
{
    if (parse->head->version == 10 || ++parse->interim > GW_H1_INTERIM_MAX ||
        parse->framing.chunked || parse->framing.content_length > 0)
        return fail(parse, GW_E_UPSTREAM_PROTOCOL);
    parse->head->body_length = GW_BODY_NONE;
    parse->head->protocol = GW_SLICE_EMPTY;
    parse->ended = false;
    parse->state = GW_H1_IDLE;
    return GW_H1_HEAD;
}

static enum gw_h1_step finish_response(struct gw_h1_parse *parse)
{
    struct gw_head *head = parse->head;
    int64_t length = parse->framing.content_length;

    if (head->status == 101) {
        if (!parse->asked_upgrade || head->protocol.len == 0 || parse->framing.chunked ||
            length > 0)
            return fail(parse, GW_E_UPSTREAM_PROTOCOL);
        gw_h1_parse_tunnel(parse);
        head->body_length = GW_BODY_UNKNOWN;
        return GW_H1_HEAD;
    }
    if (head->status < 200)
        return finish_interim(parse);
    if (head->status != 426)
        head->protocol = GW_SLICE_EMPTY;
    if (parse->asked_method == GW_METHOD_CONNECT && head->status < 300) {
        gw_h1_parse_tunnel(parse); /* RFC 9110 9.3.6: lengths say nothing here */
        head->body_length = GW_BODY_UNKNOWN;
        return GW_H1_HEAD;
    }
    if (gw_status_has_no_body(head->status, parse->asked_method)) {
        if (head->status == 204 && (parse->framing.chunked || length > 0))
            return fail(parse, GW_E_UPSTREAM_PROTOCOL); /* RFC 9112 6.1, RFC 9110 8.6 */
        head->body_length = head->status == 204 || length < 0 ? GW_BODY_NONE : length;
        parse->state = GW_H1_DONE;
        parse->ended = true;
        return GW_H1_HEAD;
    }
    expect_body(parse);
    head->body_length = length >= 0 ? length : GW_BODY_UNKNOWN;
    return GW_H1_HEAD;
}

static enum gw_h1_step step_head(struct gw_h1_parse *parse, struct gw_slice *input)
{
    struct gw_h1_block_limits limits = {
        .bytes = parse->limits->head_bytes,
        .first_line = parse->limits->target_bytes + GW_H1_METHOD_MAX + sizeof(" HTTP/1.1"),
        .lines = parse->limits->headers,
        .skip_empty = !parse->is_response,
    };
    struct gw_slice block;
    enum gw_error error = gw_h1_block_feed(&parse->block, &limits, input, &block);

    if (error)
        return fail_block(parse, *input, error);
    if (block.len == 0) {
        parse->state = gw_h1_block_begun(&parse->block) ? GW_H1_IN_HEAD : GW_H1_IDLE;
        return GW_H1_MORE;
    }
    need_head(parse);
    block = gw_arena_copy(parse->arena, block);
    gw_h1_block_clear(&parse->block);
    error = read_head(parse, block);
    if (error)
        return fail(parse, error);
    if (parse->is_response)
        return finish_response(parse);
    expect_body(parse);
    return GW_H1_HEAD;
}

/* ── bodies ────────────────────────────────────────────────────────────────── */

static enum gw_h1_step step_length(struct gw_h1_parse *parse, struct gw_slice *input,
                                   struct gw_slice *body)
{
    size_t len = input->len;

    parse->body_begun = true;
    if (parse->remaining < (int64_t)len)
        len = (size_t)parse->remaining;
    *body = gw_slice(input->ptr, len);
    *input = gw_slice_skip(*input, len);
    parse->remaining -= (int64_t)len;
    if (parse->remaining == 0) {
        parse->state = GW_H1_DONE;
        parse->ended = true;
    }
    return GW_H1_BODY;
}

static enum gw_h1_step step_chunks(struct gw_h1_parse *parse, struct gw_slice *input,
                                   struct gw_slice *body)
{
    parse->body_begun = true;

    enum gw_error error = gw_h1_chunks_next(parse, input, body);

    if (error) {
        gw_buf_deinit(&parse->scratch);
        return fail(parse, error);
    }
    if (body->len)
        return GW_H1_BODY;
    if (!parse->message_complete)
        return GW_H1_MORE;
    gw_buf_deinit(&parse->scratch);
    parse->state = GW_H1_DONE;
    parse->ended = true;
    return parse->trailers ? GW_H1_TRAILERS : GW_H1_END;
}

enum gw_h1_step gw_h1_parse_next(struct gw_h1_parse *parse, struct gw_slice *input,
                                 struct gw_slice *body)
{
    *body = GW_SLICE_EMPTY;
    if (parse->state == GW_H1_DEAD)
        return GW_H1_FAILED;
    if (input->len == 0)
        return GW_H1_MORE;
    switch (parse->state) {
    case GW_H1_IDLE:
    case GW_H1_IN_HEAD:
        return step_head(parse, input);
    case GW_H1_IN_LENGTH:
        return step_length(parse, input, body);
    case GW_H1_IN_CHUNKS:
        return step_chunks(parse, input, body);
    case GW_H1_UNTIL_CLOSE:
    case GW_H1_TUNNEL:
        *body = *input;
        *input = GW_SLICE_EMPTY;
        return GW_H1_BODY;
    case GW_H1_DONE: /* whoever asks wants the next message and must say so */
    case GW_H1_DEAD:
        break;
    }
    GW_ASSERT(parse->state != GW_H1_DONE);
    return GW_H1_FAILED;
}

enum gw_h1_step gw_h1_parse_eof(struct gw_h1_parse *parse)
{
    switch (parse->state) {
    case GW_H1_IDLE:
    case GW_H1_DONE:
        return GW_H1_MORE;
    case GW_H1_UNTIL_CLOSE:
    case GW_H1_TUNNEL:
        parse->state = GW_H1_DONE;
        parse->ended = true;
        return GW_H1_END;
    case GW_H1_IN_HEAD:
    case GW_H1_IN_LENGTH:
    case GW_H1_IN_CHUNKS:
        parse->state = GW_H1_DEAD;
        parse->error = parse->is_response ? GW_E_UPSTREAM_CUT : GW_E_BODY_CUT;
        return GW_H1_FAILED;
    case GW_H1_DEAD:
        break;
    }
    return GW_H1_FAILED;
}
