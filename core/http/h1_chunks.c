#include "http/h1_chunks.h"

#include "http/token.h"
#include "http/trailer.h"

#define CHUNK_MAX                                                                                  \
    UINT32_MAX        /* no honest chunk is larger, and servers that count in 32 bits would wrap */
#define LINE_PLAIN 20 /* CRLF of the chunk before, sixteen digits, CRLF */

/* ── trailers ──────────────────────────────────────────────────────────────── */

static int fail(struct gw_h1_parse *parse, enum gw_error error)
{
    parse->error = error;
    return -1;
}

static int on_trailer_name(llhttp_t *http, const char *at, size_t len)
{
    struct gw_h1_parse *parse = http->data;

    if (!gw_buf_append(&parse->scratch, gw_slice(at, len)))
        return fail(parse, GW_E_HEAD_TOO_LARGE);
    parse->name_len += len;
    return 0;
}

static int on_trailer_value(llhttp_t *http, const char *at, size_t len)
{
    struct gw_h1_parse *parse = http->data;

    return gw_buf_append(&parse->scratch, gw_slice(at, len)) ? 0 : fail(parse, GW_E_HEAD_TOO_LARGE);
}

static int on_trailer_end(llhttp_t *http)
{
    struct gw_h1_parse *parse = http->data;
    struct gw_slice name = gw_slice(parse->scratch.data, parse->name_len);
    struct gw_slice value =
        gw_slice_trim(gw_slice_skip(gw_buf_slice(&parse->scratch), parse->name_len));

    for (size_t i = 0; i < name.len; i++)
        parse->scratch.data[i] = gw_token_lower(name.ptr[i]);
    if (!gw_field_name_valid(name) || !gw_field_value_valid(value))
        return fail(parse, GW_E_BAD_BODY);
    if (++parse->trailer_count > parse->limits->headers)
        return fail(parse, GW_E_HEAD_TOO_LARGE);
    if (parse->arena && gw_trailer_allowed(name)) {
        if (!parse->trailers)
            parse->trailers = gw_arena_alloc_zero(parse->arena, sizeof(*parse->trailers));
        gw_fields_add(parse->trailers, parse->arena, gw_arena_copy(parse->arena, name),
                      gw_arena_copy(parse->arena, value));
    }
    gw_buf_clear(&parse->scratch);
    parse->name_len = 0;
    return 0;
}

/* ── chunks ────────────────────────────────────────────────────────────────── */

static int on_chunk_header(llhttp_t *http)
{
    struct gw_h1_parse *parse = http->data;

    if (http->content_length > CHUNK_MAX)
        return fail(parse, GW_E_BAD_BODY);
    parse->last_chunk = http->content_length == 0;
    return parse->last_chunk ? HPE_PAUSED
                             : 0; /* so that trailers are counted apart from chunk lines */
}

static int on_chunk_body(llhttp_t *http, const char *at, size_t len)
{
    struct gw_h1_parse *parse = http->data;

    parse->chunk = gw_slice(at, len);
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *http)
{
    struct gw_h1_parse *parse = http->data;

    parse->message_complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t chunk_settings = {
    .on_chunk_header = on_chunk_header,
    .on_body = on_chunk_body,
    .on_header_field = on_trailer_name,
    .on_header_value = on_trailer_value,
    .on_header_value_complete = on_trailer_end,
    .on_message_complete = on_message_complete,
};

void gw_h1_chunks_begin(struct gw_h1_parse *parse)
{
    parse->http.data = parse;
    parse->http.settings =
        (void *)(uintptr_t)&chunk_settings; /* llhttp takes it without const and only reads it */
    llhttp_resume(&parse->http);
    gw_buf_init(&parse->scratch, parse->limits->head_bytes);
    parse->name_len = parse->line_bytes = parse->extension_bytes = 0;
    parse->trailer_count = 0;
    parse->trailers = NULL;
    parse->before = '\n';
    parse->last_chunk = parse->in_trailers = parse->message_complete = false;
}

/* Judges bytes that are no body: CR and LF only as CRLF, no other control byte, no obs-fold. */
static enum gw_error check_lines(struct gw_h1_parse *parse, struct gw_slice bytes)
{
    char before = parse->before;

    for (size_t i = 0; i < bytes.len; i++) {
        char c = bytes.ptr[i];

        if ((before == '\r') != (c == '\n'))
            return GW_E_BAD_BODY;
        if (before == '\n' && (c == ' ' || c == '\t'))
            return GW_E_BAD_BODY;
        if (((unsigned char)c < 0x20 && c != '\r' && c != '\n' && c != '\t') || c == 0x7f)
            return GW_E_BAD_BODY;
        before = c;
    }
    parse->before = before;
    return GW_OK;
}

/* Bounds what a peer can send between two bytes of body: extensions, zeros before a size,
 * trailers. */
static enum gw_error check_bounds(struct gw_h1_parse *parse, size_t len)
{
    size_t before = parse->line_bytes;
    size_t plain = before < LINE_PLAIN ? LINE_PLAIN - before : 0;

    parse->line_bytes += len;
    if (parse->in_trailers)
        return parse->line_bytes > parse->limits->head_bytes ? GW_E_HEAD_TOO_LARGE : GW_OK;
    if (len > plain)
        parse->extension_bytes += len - plain;
    return parse->extension_bytes > GW_H1_EXTENSION_MAX ? GW_E_BAD_BODY : GW_OK;
}

/* Lets llhttp go on to the next thing to tell: bytes of body, the last chunk's line, the end. */
static enum gw_error advance(struct gw_h1_parse *parse, struct gw_slice *input)
{
    const char *from = input->ptr;

    parse->chunk = GW_SLICE_EMPTY;

    enum llhttp_errno result = llhttp_execute(&parse->http, from, input->len);

    if (parse->error)
        return parse->error;
    if (result != HPE_OK && result != HPE_PAUSED)
        return GW_E_BAD_BODY;

    size_t used =
        result == HPE_OK ? input->len : (size_t)(llhttp_get_error_pos(&parse->http) - from);
    size_t framing = parse->chunk.len ? (size_t)(parse->chunk.ptr - from) : used;
    enum gw_error error = check_lines(parse, gw_slice(from, framing));

    if (!error)
        error = check_bounds(parse, framing);
    if (parse->chunk.len)
        parse->line_bytes = 0;
    if (parse->last_chunk) {
        parse->last_chunk = false;
        parse->in_trailers = true;
        parse->line_bytes = 0;
    }
    *input = gw_slice_skip(*input, used);
    llhttp_resume(&parse->http);
    return error;
}

enum gw_error gw_h1_chunks_next(struct gw_h1_parse *parse, struct gw_slice *input,
                                struct gw_slice *body)
{
    enum gw_error error = GW_OK;

    do
        error = advance(parse, input);
    while (!error && input->len && !parse->chunk.len && !parse->message_complete);
    *body = parse->chunk;
    return error;
}
