#include "telemetry/access_log.h"

#include "base/utf8.h"

#include <assert.h>
#include <time.h>

/* Written by hand, because it happens once a request: a pointer that moves, no format strings.
 * There are no checks for room: every text is cut, and a byte becomes at most six. */
#define PATH_MAX_BYTES 2048
#define NAME_MAX_BYTES 256 /* route, service, consumer, upstream */
#define HOST_MAX_BYTES 256
#define AGENT_MAX_BYTES 512
#define ID_MAX_BYTES 128
#define SHORT_MAX_BYTES 64 /* method, client address, error */
#define ESCAPED 6          /* \u001f, \ufffd */
#define REST_MAX 1024      /* keys and numbers */

static_assert(ESCAPED * (PATH_MAX_BYTES + 5 * NAME_MAX_BYTES + HOST_MAX_BYTES + AGENT_MAX_BYTES +
                         ID_MAX_BYTES + 5 * SHORT_MAX_BYTES) +
                      REST_MAX <=
                  GW_ACCESS_LINE_MAX,
              "the longest line fits");

/* For each byte: . as it is, u as \u00XX, x the start of what must be UTF-8, else \ and that. */
static const char escapes[] = "uuuuuuuubtnufruu"
                              "uuuuuuuuuuuuuuuu"
                              "..\"............."
                              "................"
                              "................"
                              "............\\..."
                              "................"
                              "...............u"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx"
                              "xxxxxxxxxxxxxxxx";
static_assert(sizeof(escapes) == 256 + 1, "one for each byte");

#define PUT(at, literal) put(at, "" literal, sizeof(literal) - 1)

static char *put(char *at, const char *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

static char *put_number(char *at, uint64_t value)
{
    char digits[20];
    size_t from = sizeof(digits);

    if (value < 10) { /* most of a line's numbers */
        *at++ = (char)('0' + value);
        return at;
    }
    do
        digits[--from] = (char)('0' + value % 10);
    while (value /= 10);
    return put(at, digits + from, sizeof(digits) - from);
}

/* Microseconds as milliseconds, three decimals. */
static char *put_ms(char *at, int64_t us)
{
    if (us < 0)
        return PUT(at, "null");
    unsigned rest = (unsigned)(us % 1000);

    at = put_number(at, (uint64_t)us / 1000);
    if (rest == 0)
        return PUT(at, ".000");
    *at++ = '.';
    *at++ = (char)('0' + rest / 100);
    *at++ = (char)('0' + rest / 10 % 10);
    *at++ = (char)('0' + rest % 10);
    return at;
}

static char *put_escaped(char *at, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";

    if (escapes[c] != 'u') {
        *at++ = '\\';
        *at++ = escapes[c];
        return at;
    }
    at = PUT(at, "\\u00");
    *at++ = hex[c >> 4];
    *at++ = hex[c & 15];
    return at;
}

/* At most `max` bytes, not ending in the middle of a character that was whole. */
static struct gw_slice cut(struct gw_slice text, size_t max)
{
    if (text.len <= max)
        return text;
    text.len = max;
    for (int back = 0; back < 3 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80; back++)
        text.len--;
    return text;
}

/* True when each of the eight bytes stands in a line as it is. */
static bool is_plain(uint64_t word)
{
    const uint64_t each = 0x0101010101010101u;
    const uint64_t high = each * 0x80;
    uint64_t quote = word ^ each * '"', backslash = word ^ each * '\\', del = word ^ each * 0x7f;
    /* In ASCII, where the high bits are clear, a sum sets them in bytes that are not zero … */
    uint64_t others = (quote + each * 0x7f) & (backslash + each * 0x7f) & (del + each * 0x7f);
    /* … or at least a space. */
    uint64_t printable = word + each * (0x80 - ' ');

    return (word & high) == 0 && (others & printable & high) == high;
}

/* How many bytes at the start stand in a line as they are; copies them. */
static size_t put_plain(char *at, struct gw_slice text)
{
    size_t len = 0;

    for (uint64_t word; text.len - len >= sizeof(word); len += sizeof(word)) {
        memcpy(&word, text.ptr + len, sizeof(word));
        if (!is_plain(word))
            break;
        memcpy(at + len, &word, sizeof(word));
    }
    for (; len < text.len && escapes[(unsigned char)text.ptr[len]] == '.'; len++)
        at[len] = text.ptr[len];
    return len;
}

/* The one character at the start that needs a look: UTF-8 stays, the rest is escaped. */
static char *put_special(char *at, struct gw_slice *text)
{
    unsigned char c = (unsigned char)text->ptr[0];
    size_t len = escapes[c] == 'x' ? gw_utf8_length(*text) : 0;

    if (len > 0)
        at = put(at, text->ptr, len);
    else
        at = escapes[c] == 'x' ? PUT(at, "\\ufffd") : put_escaped(at, c);
    *text = gw_slice_skip(*text, len > 0 ? len : 1);
    return at;
}

static char *put_text(char *at, struct gw_slice text, size_t max)
{
    text = cut(text, max);
    *at++ = '"';
    while (text.len > 0) {
        size_t len = put_plain(at, text);

        at += len;
        text = gw_slice_skip(text, len);
        if (text.len > 0)
            at = put_special(at, &text);
    }
    *at++ = '"';
    return at;
}

static char *put_text_or_null(char *at, struct gw_slice text, size_t max)
{
    return text.len ? put_text(at, text, max) : PUT(at, "null");
}

/* "2026-01-01T00:00:00": made anew once a second. */
static char *put_second(char *at, int64_t second)
{
    static _Thread_local int64_t made_for = INT64_MIN;
    static _Thread_local char made[sizeof("2026-01-01T00:00:00")];
    struct tm tm;
    time_t when = (time_t)second;

    if (second != made_for) {
        if (!gmtime_r(&when, &tm) || tm.tm_year > 9999 - 1900 || tm.tm_year < -1900)
            memset(&tm, 0, sizeof(tm)); /* no clock says so */
        strftime(made, sizeof(made), "%Y-%m-%dT%H:%M:%S", &tm);
        made_for = second;
    }
    return put(at, made, sizeof(made) - 1);
}

/* RFC 3339, milliseconds. */
static char *put_time(char *at, int64_t wall_us)
{
    int64_t second = wall_us / 1000000;
    int64_t ms = wall_us / 1000 % 1000;

    if (ms < 0) {
        ms += 1000;
        second--;
    }
    at = put_second(at, second);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100);
    *at++ = (char)('0' + ms / 10 % 10);
    *at++ = (char)('0' + ms % 10);
    *at++ = 'Z';
    return at;
}

static char *put_request(char *at, const struct gw_access_record *record)
{
    at = PUT(at, "{\"correlationId\":");
    at = put_text(at, record->correlation_id, ID_MAX_BYTES);
    at = PUT(at, ",\"timestamp\":\"");
    at = put_time(at, record->wall_us);
    at = PUT(at, "\",\"method\":");
    at = put_text(at, record->method, SHORT_MAX_BYTES);
    at = PUT(at, ",\"path\":");
    at = put_text(at, record->path, PATH_MAX_BYTES);
    at = PUT(at, ",\"statusCode\":");
    at = put_number(at, record->status > 0 ? (uint64_t)record->status : 0);
    if (record->grpc_status >= 0) {
        at = PUT(at, ",\"grpcStatus\":");
        at = put_number(at, (uint64_t)record->grpc_status);
    }
    at = PUT(at, ",\"duration\":");
    return put_ms(at, record->duration_us);
}

static char *put_protocol(char *at, int version)
{
    switch (version) {
    case 10:
        return PUT(at, "\"HTTP/1.0\"");
    case 11:
        return PUT(at, "\"HTTP/1.1\"");
    case 20:
        return PUT(at, "\"HTTP/2\"");
    }
    return PUT(at, "null");
}

static char *put_tls(char *at, const struct gw_access_record *record)
{
    at = PUT(at, ",\"tls\":{\"version\":");
    at = put_text(at, record->tls_version, SHORT_MAX_BYTES);
    at = PUT(at, ",\"cipher\":");
    at = put_text(at, record->tls_cipher, SHORT_MAX_BYTES);
    at = PUT(at, ",\"sni\":");
    at = put_text_or_null(at, record->sni, NAME_MAX_BYTES);
    at = PUT(at, ",\"resumed\":");
    at = record->tls_resumed ? PUT(at, "true") : PUT(at, "false");
    return PUT(at, "}");
}

static char *put_upstream(char *at, const struct gw_access_record *record)
{
    at = PUT(at, ",\"route\":");
    at = put_text_or_null(at, record->route, NAME_MAX_BYTES);
    at = PUT(at, ",\"service\":");
    at = put_text_or_null(at, record->service, NAME_MAX_BYTES);
    at = PUT(at, ",\"consumer\":");
    at = put_text_or_null(at, record->consumer, NAME_MAX_BYTES);
    at = PUT(at, ",\"upstream\":");
    at = put_text_or_null(at, record->upstream, NAME_MAX_BYTES);
    at = PUT(at, ",\"upstreamStatus\":");
    at = record->upstream_status > 0 ? put_number(at, (uint64_t)record->upstream_status)
                                     : PUT(at, "null");
    at = PUT(at, ",\"tries\":");
    return put_number(at, record->tries);
}

static char *put_phases(char *at, const struct gw_access_record *record)
{
    at = PUT(at, ",\"phases\":{\"rewrite\":");
    at = put_ms(at, record->rewrite_us);
    at = PUT(at, ",\"access\":");
    at = put_ms(at, record->access_us);
    at = PUT(at, ",\"connect\":");
    at = put_ms(at, record->connect_us);
    at = PUT(at, ",\"head\":");
    at = put_ms(at, record->head_us);
    at = PUT(at, ",\"response\":");
    at = put_ms(at, record->response_us);
    at = PUT(at, ",\"body\":");
    at = put_ms(at, record->body_us);
    return PUT(at, "}}\n");
}

size_t gw_access_log_format(char out[GW_ACCESS_LINE_MAX], const struct gw_access_record *record)
{
    char *at = put_request(out, record);

    at = put_upstream(at, record);
    at = PUT(at, ",\"bytesIn\":");
    at = put_number(at, record->bytes_in);
    at = PUT(at, ",\"bytesOut\":");
    at = put_number(at, record->bytes_out);
    at = PUT(at, ",\"clientIp\":");
    at = put_text_or_null(at, record->client_ip, SHORT_MAX_BYTES);
    at = PUT(at, ",\"host\":");
    at = put_text_or_null(at, record->host, HOST_MAX_BYTES);
    at = PUT(at, ",\"userAgent\":");
    at = put_text_or_null(at, record->user_agent, AGENT_MAX_BYTES);
    at = PUT(at, ",\"protocol\":");
    at = put_protocol(at, record->version);
    if (record->tls_version.len)
        at = put_tls(at, record);
    at = PUT(at, ",\"error\":");
    at = put_text_or_null(at, record->error, SHORT_MAX_BYTES);
    return (size_t)(put_phases(at, record) - out);
}
