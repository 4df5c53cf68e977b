#include "http/problem.h"

#include "base/buf.h"

/* Long enough for a path of 8 KiB whose every byte is escaped. */
#define PROBLEM_MAX (128 * 1024)

/* Bytes of the UTF-8 sequence at the front (RFC 3629: no overlong forms, no surrogates), or 0. */
static size_t utf8_len(struct gw_slice text)
{
    const unsigned char *c = (const unsigned char *)text.ptr;
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

    if (len == 0 || c[0] > 0xf4 || text.len < len)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    if ((c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
        (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f))
        return 0;
    return len;
}

/* What is no UTF-8 becomes "?", so that the document is valid JSON whatever a peer sent. */
static bool append_text(struct gw_buf *out, struct gw_slice text)
{
    while (text.len) {
        unsigned char c = (unsigned char)*text.ptr;
        size_t len = utf8_len(text);
        bool fits;

        if (c == '"' || c == '\\')
            fits = gw_buf_append_char(out, '\\') && gw_buf_append_char(out, (char)c);
        else if (c < 0x20 || c == 0x7f)
            fits = gw_buf_printf(out, "\\u%04x", c);
        else if (len)
            fits = gw_buf_append(out, gw_slice(text.ptr, len));
        else
            fits = gw_buf_append_char(out, '?');
        if (!fits)
            return false;
        text = gw_slice_skip(text, len ? len : 1);
    }
    return true;
}

static void append_member(struct gw_buf *out, const char *name, struct gw_slice value)
{
    size_t before = out->len;

    if (!gw_buf_printf(out, ",\"%s\":\"", name) || !append_text(out, value) ||
        !gw_buf_append_char(out, '"'))
        out->len = before; /* too long: the member is left out, the document stays whole */
}

/* "Not Found" → "not_found" */
static struct gw_slice reason_of(struct gw_arena *arena, const char *phrase)
{
    struct gw_slice reason = gw_arena_copy(arena, gw_slice_from(phrase));
    char *text = gw_arena_alloc(arena, reason.len + 1);

    for (size_t i = 0; i < reason.len; i++) {
        char c = gw_lower(reason.ptr[i]);

        text[i] = c >= 'a' && c <= 'z' ? c : '_';
    }
    return gw_slice(text, reason.len);
}

struct gw_reply *gw_problem_new(struct gw_exchange *x, int status, const struct gw_problem *problem)
{
    struct gw_reply *reply = gw_arena_alloc_zero(x->arena, sizeof(*reply));
    const char *phrase = gw_status_reason(status);
    struct gw_slice title =
        problem->title.len ? problem->title : gw_slice_from(*phrase ? phrase : "Error");
    struct gw_slice detail = problem->detail.len ? problem->detail : title;
    struct gw_buf out;

    gw_buf_init(&out, PROBLEM_MAX);
    gw_buf_append(&out, GW_SLICE("{\"type\":\""));
    append_text(&out, problem->type.len ? problem->type : GW_SLICE("about:blank"));
    gw_buf_append_char(&out, '"');
    append_member(&out, "title", title);
    gw_buf_printf(&out, ",\"status\":%d", status);
    append_member(&out, "detail", detail);
    append_member(&out, "instance", x->request.path);
    append_member(&out, "correlationId", x->correlation_id);
    append_member(&out, "reason",
                  problem->reason.len ? problem->reason
                                      : reason_of(x->arena, *phrase ? phrase : "Error"));
    gw_buf_append(&out, problem->more); /* all of it or nothing */
    gw_buf_append_char(&out, '}');

    reply->status = status;
    reply->error = problem->error;
    reply->message = detail;
    reply->body = gw_blob_new(gw_buf_slice(&out));
    gw_fields_add(&reply->fields, x->arena, GW_SLICE("content-type"),
                  GW_SLICE("application/problem+json"));
    gw_buf_deinit(&out);
    return reply;
}

/* What passes by itself: a limit of ours, or of the client's connections, is reached now. */
static bool passes(enum gw_error error, const struct gw_error_info *info)
{
    return error == GW_E_CLIENT_CONNECTIONS || (info->status == 503 && info->side == GW_SIDE_LOCAL);
}

struct gw_reply *gw_problem_from_error(struct gw_exchange *x, enum gw_error error)
{
    const struct gw_error_info *info = gw_error_info(error);
    struct gw_reply *reply =
        gw_problem_new(x, info->status ? info->status : 500,
                       &(struct gw_problem){ .detail = gw_slice_from(info->text),
                                             .reason = gw_slice_from(info->reason),
                                             .error = error });

    if (passes(error, info))
        gw_fields_add(&reply->fields, x->arena, GW_SLICE("retry-after"), GW_SLICE("1"));
    return reply;
}
