/* Frames are judged by their headers, before anything of them goes on; only texts and Closes are
 * looked into. What comes may be cut anywhere, also within a header: that waits until it is whole.
 */
#include "http/websocket.h"

#include <string.h>

enum {
    CONTINUATION = 0,
    TEXT = 1,
    BINARY = 2,
    CLOSE = 8,
    PING = 9,
    PONG = 10,
};

#define FIN 0x80
#define RESERVED_1 0x40
#define RESERVED 0x70
#define MASKED 0x80

void gw_websocket_reader_init(struct gw_websocket_reader *reader,
                              const struct gw_websocket_rules *rules, bool masked, bool compressed)
{
    memset(reader, 0, sizeof(*reader));
    reader->rules = rules;
    reader->masked = masked;
    reader->compressed = compressed;
}

static bool is_control(int opcode)
{
    return opcode >= CLOSE;
}

/* ── headers ───────────────────────────────────────────────────────────────── */

/* How long a header is, as far as its first bytes say it. */
static unsigned header_size(const unsigned char *header, unsigned have)
{
    unsigned size = 2;

    if (have < 2)
        return size;
    if ((header[1] & 0x7f) == 126)
        size += 2;
    else if ((header[1] & 0x7f) == 127)
        size += 8;
    return header[1] & MASKED ? size + 4 : size;
}

/* False: it is written longer than it needs to be, or is past 2^63 (5.2). */
static bool read_length(const unsigned char *header, uint64_t *length)
{
    unsigned short_form = header[1] & 0x7f, bytes = short_form == 126 ? 2 : 8;

    *length = short_form;
    if (short_form < 126)
        return true;
    *length = 0;
    for (unsigned i = 0; i < bytes; i++)
        *length = *length << 8 | header[2 + i];
    return short_form == 126 ? *length >= 126 : *length > 0xffff && !(*length >> 63);
}

static enum gw_websocket_code judge_control(const unsigned char *header, uint64_t length)
{
    int opcode = header[0] & 0x0f;
    bool bad = opcode > PONG || !(header[0] & FIN) || (header[0] & RESERVED) ||
               length > GW_WEBSOCKET_CONTROL_MAX;

    return bad ? GW_WEBSOCKET_PROTOCOL : GW_WEBSOCKET_FINE;
}

static enum gw_websocket_code judge_data(const struct gw_websocket_reader *reader,
                                         const unsigned char *header, uint64_t length)
{
    const struct gw_websocket_rules *rules = reader->rules;
    int opcode = header[0] & 0x0f;
    bool begins = opcode != CONTINUATION;
    int allowed = reader->compressed && begins ? RESERVED_1 : 0;

    if (opcode > BINARY || begins == (reader->kind != 0) || (header[0] & RESERVED & ~allowed))
        return GW_WEBSOCKET_PROTOCOL;
    if (rules->max_frame && length > rules->max_frame)
        return GW_WEBSOCKET_TOO_LARGE;
    if (rules->max_message &&
        (length > rules->max_message || reader->message > rules->max_message - length))
        return GW_WEBSOCKET_TOO_LARGE;
    return GW_WEBSOCKET_FINE;
}

static void begin_frame(struct gw_websocket_reader *reader, const unsigned char *header,
                        uint64_t length, unsigned size)
{
    int opcode = header[0] & 0x0f;

    reader->frame = opcode;
    reader->left = length;
    reader->last = header[0] & FIN;
    reader->masked_at = 0;
    if (reader->masked)
        memcpy(reader->mask, header + size - 4, 4);
    if (is_control(opcode))
        return;
    reader->message += length;
    if (opcode != CONTINUATION) {
        reader->kind = opcode;
        reader->plain = !(header[0] & RESERVED_1);
        reader->text_left = 0;
    }
}

static enum gw_websocket_code judge(struct gw_websocket_reader *reader, const unsigned char *header,
                                    unsigned size)
{
    enum gw_websocket_code code;
    uint64_t length;

    if (!read_length(header, &length) || !!(header[1] & MASKED) != reader->masked)
        return GW_WEBSOCKET_PROTOCOL;
    code = is_control(header[0] & 0x0f) ? judge_control(header, length)
                                        : judge_data(reader, header, length);
    if (!code)
        begin_frame(reader, header, length, size);
    return code;
}

/* ── payloads ──────────────────────────────────────────────────────────────── */

/* The first byte of a character (RFC 3629: no overlong forms, no surrogates). */
static bool begin_character(struct gw_websocket_reader *reader, unsigned char c)
{
    if (c < 0x80)
        return true;
    if (c < 0xc2 || c > 0xf4)
        return false;
    reader->text_left = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    reader->text_low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    reader->text_high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return true;
}

static bool take_character(struct gw_websocket_reader *reader, unsigned char c)
{
    if (!reader->text_left)
        return begin_character(reader, c);
    if (c < reader->text_low || c > reader->text_high)
        return false;
    reader->text_low = 0x80;
    reader->text_high = 0xbf;
    reader->text_left--;
    return true;
}

static unsigned char unmask(struct gw_websocket_reader *reader, char byte)
{
    return (unsigned char)byte ^
           (reader->masked ? reader->mask[reader->masked_at++ & 3] : (unsigned char)0);
}

static bool is_text(const struct gw_websocket_reader *reader)
{
    return reader->rules->utf8 && !is_control(reader->frame) && reader->kind == TEXT &&
           reader->plain;
}

static enum gw_websocket_code look_into(struct gw_websocket_reader *reader, struct gw_slice bytes)
{
    if (reader->frame == CLOSE)
        for (size_t i = 0; i < bytes.len; i++)
            reader->said[reader->said_len++] = unmask(reader, bytes.ptr[i]);
    if (!is_text(reader))
        return GW_WEBSOCKET_FINE;
    for (size_t i = 0; i < bytes.len; i++)
        if (!take_character(reader, unmask(reader, bytes.ptr[i])))
            return GW_WEBSOCKET_BAD_TEXT;
    return GW_WEBSOCKET_FINE;
}

/* 7.4: codes that may be sent. */
static bool is_code(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum gw_websocket_code judge_close(struct gw_websocket_reader *reader)
{
    reader->closed = true;
    reader->text_left = 0;
    if (reader->said_len == 0)
        return GW_WEBSOCKET_FINE;
    if (reader->said_len == 1 || !is_code((unsigned)reader->said[0] << 8 | reader->said[1]))
        return GW_WEBSOCKET_PROTOCOL;
    for (unsigned i = 2; i < reader->said_len; i++)
        if (!take_character(reader, reader->said[i]))
            return GW_WEBSOCKET_BAD_TEXT;
    return reader->text_left ? GW_WEBSOCKET_BAD_TEXT : GW_WEBSOCKET_FINE;
}

static enum gw_websocket_code end_frame(struct gw_websocket_reader *reader)
{
    if (reader->frame == CLOSE)
        return judge_close(reader);
    if (is_control(reader->frame) || !reader->last)
        return GW_WEBSOCKET_FINE;

    bool cut = is_text(reader) && reader->text_left;

    reader->kind = 0;
    reader->message = 0;
    return cut ? GW_WEBSOCKET_BAD_TEXT : GW_WEBSOCKET_FINE;
}

/* ── reading ───────────────────────────────────────────────────────────────── */

/* As much of a header as there is. True when it is whole: `size`, and where it stands. */
static bool take_header(struct gw_websocket_reader *reader, struct gw_slice input, size_t *taken,
                        unsigned *size)
{
    *taken = 0;
    while ((*size = header_size(reader->header, reader->have)) > reader->have) {
        size_t left = input.len - *taken, piece = *size - reader->have;

        if (left == 0)
            return false;
        piece = piece < left ? piece : left;
        memcpy(reader->header + reader->have, input.ptr + *taken, piece);
        reader->have += (unsigned)piece;
        *taken += piece;
    }
    return true;
}

/* One header or one piece of a payload, from *at on. */
static enum gw_websocket_code step(struct gw_websocket_reader *reader, struct gw_slice input,
                                   size_t *at)
{
    struct gw_slice rest = gw_slice_skip(input, *at);
    enum gw_websocket_code code;
    unsigned size;
    size_t taken;

    if (reader->left == 0) {
        if (!take_header(reader, rest, &taken, &size)) {
            *at = input.len;
            return GW_WEBSOCKET_FINE;
        }
        reader->have = 0;
        code = judge(reader, reader->header, size);
    } else {
        taken = rest.len < reader->left ? rest.len : (size_t)reader->left;
        code = look_into(reader, gw_slice(rest.ptr, taken));
        reader->left -= taken;
    }
    if (!code && reader->left == 0)
        code = end_frame(reader);
    *at += taken;
    return code;
}

struct gw_websocket_passed gw_websocket_read(struct gw_websocket_reader *reader,
                                             struct gw_slice input)
{
    struct gw_websocket_passed passed = { GW_SLICE_EMPTY, 0, GW_WEBSOCKET_FINE };
    unsigned held = reader->have;
    size_t at = 0;

    memcpy(reader->held, reader->header, held);
    while (at < input.len && !passed.code && !reader->closed) {
        passed.code = step(reader, input, &at);
        if (!passed.code && reader->have == 0)
            passed.len = at;
    }
    if (passed.len) /* the header that waited was whole, and good */
        passed.held = gw_slice(reader->held, held);
    return passed;
}

size_t gw_websocket_close(enum gw_websocket_code code, const unsigned char mask[4],
                          char out[GW_WEBSOCKET_CLOSE_MAX])
{
    unsigned char bytes[GW_WEBSOCKET_CLOSE_MAX] = { FIN | CLOSE, 2 };
    size_t at = 2;

    if (mask) {
        bytes[1] |= MASKED;
        memcpy(bytes + at, mask, 4);
        at += 4;
    }
    bytes[at] = (unsigned char)((unsigned)code >> 8) ^ (mask ? mask[0] : 0);
    bytes[at + 1] = (unsigned char)((unsigned)code & 0xff) ^ (mask ? mask[1] : 0);
    memcpy(out, bytes, at + 2);
    return at + 2;
}
