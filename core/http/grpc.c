#include "http/grpc.h"

#include "base/check.h"

#define TIMEOUT_DIGITS_MAX 8
#define MESSAGE_MAX 1024

/* ── calls ─────────────────────────────────────────────────────────────────── */

bool gw_grpc_is_type(struct gw_slice content_type)
{
    const struct gw_slice type = GW_GRPC_TYPE;

    return content_type.len >= type.len &&
           gw_slice_equal_nocase(gw_slice(content_type.ptr, type.len), type) &&
           (content_type.len == type.len || strchr("+; \t", content_type.ptr[type.len]));
}

bool gw_grpc_asks(const struct gw_head *head)
{
    if (head->version != 20 || head->method != GW_METHOD_POST)
        return false;

    const struct gw_slice *type = gw_fields_get(&head->fields, GW_SLICE("content-type"));

    return type && gw_grpc_is_type(*type);
}

/* ── deadlines ─────────────────────────────────────────────────────────────── */

static uint64_t unit_in_ns(char unit)
{
    switch (unit) {
    case 'H':
        return 3600000000000ull;
    case 'M':
        return 60000000000ull;
    case 'S':
        return 1000000000ull;
    case 'm':
        return 1000000ull;
    case 'u':
        return 1000ull;
    case 'n':
        return 1;
    default:
        return 0;
    }
}

/* 99,999,999 hours in nanoseconds do not fit; in microseconds they do. */
static uint64_t in_us(uint64_t value, uint64_t unit_ns)
{
    uint64_t us = unit_ns >= 1000 ? value * (unit_ns / 1000) : (value + 999) / 1000;

    return us ? us : 1;
}

enum gw_error gw_grpc_timeout(const struct gw_fields *fields, uint64_t *timeout_us)
{
    const struct gw_slice name = GW_SLICE("grpc-timeout");
    const struct gw_slice *value = gw_fields_get(fields, name);
    int64_t number;

    *timeout_us = 0;
    if (!value)
        return GW_OK;
    if (value->len < 2 || value->len > TIMEOUT_DIGITS_MAX + 1 || gw_fields_count(fields, name) != 1)
        return GW_E_BAD_DEADLINE;

    uint64_t unit_ns = unit_in_ns(value->ptr[value->len - 1]);

    if (!unit_ns || !gw_slice_to_int64(gw_slice(value->ptr, value->len - 1), &number))
        return GW_E_BAD_DEADLINE;
    *timeout_us = in_us((uint64_t)number, unit_ns);
    return GW_OK;
}

struct gw_slice gw_grpc_timeout_text(struct gw_arena *arena, uint64_t timeout_us)
{
    static const struct {
        uint64_t us;
        char unit;
    } units[] = { { 1, 'u' }, { 1000, 'm' }, { 1000000, 'S' }, { 60000000, 'M' } };
    uint64_t most = 99999999;

    for (size_t i = 0; i < GW_ARRAY_LEN(units); i++) {
        uint64_t value = timeout_us / units[i].us + (timeout_us % units[i].us != 0);

        if (value <= most)
            return gw_arena_printf(arena, "%llu%c", (unsigned long long)value, units[i].unit);
    }
    return gw_arena_printf(arena, "%lluH",
                           (unsigned long long)(timeout_us / 3600000000ull > most
                                                    ? most
                                                    : timeout_us / 3600000000ull));
}

/* ── statuses ──────────────────────────────────────────────────────────────── */

enum gw_grpc_status gw_grpc_status_of(int http_status, enum gw_error error)
{
    if (error == GW_E_DEADLINE || error == GW_E_TOTAL_TIMEOUT)
        return GW_GRPC_DEADLINE_EXCEEDED;
    switch (http_status) {
    case 400:
        return GW_GRPC_INTERNAL;
    case 401:
        return GW_GRPC_UNAUTHENTICATED;
    case 403:
        return GW_GRPC_PERMISSION_DENIED;
    case 404:
    case 405:
    case 415:
    case 501:
        return GW_GRPC_UNIMPLEMENTED;
    case 413:
    case 414:
    case 431:
        return GW_GRPC_RESOURCE_EXHAUSTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GW_GRPC_UNAVAILABLE;
    case 499:
        return GW_GRPC_CANCELLED;
    default:
        return http_status >= 200 && http_status < 300 ? GW_GRPC_OK : GW_GRPC_UNKNOWN;
    }
}

int gw_grpc_status_in(const struct gw_fields *fields)
{
    const struct gw_slice *value = gw_fields_get(fields, GW_GRPC_STATUS_FIELD);
    int64_t status;

    if (!value || !gw_slice_to_int64(*value, &status))
        return GW_GRPC_NONE;
    return status < GW_GRPC_COUNT ? (int)status : GW_GRPC_UNKNOWN;
}

struct gw_slice gw_grpc_message(struct gw_arena *arena, struct gw_slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = text.len < MESSAGE_MAX ? text.len : MESSAGE_MAX;
    char *out = gw_arena_alloc(arena, 3 * len + 1);
    size_t at = 0;

    while (len < text.len && len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--; /* no half character at the end */
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];

        if (c >= 0x20 && c <= 0x7e && c != '%') {
            out[at++] = (char)c;
            continue;
        }
        out[at++] = '%';
        out[at++] = hex[c >> 4];
        out[at++] = hex[c & 15];
    }
    return gw_slice(out, at);
}

void gw_grpc_put_status(struct gw_fields *fields, struct gw_arena *arena, int status,
                        struct gw_slice message)
{
    gw_fields_set(fields, arena, GW_GRPC_STATUS_FIELD, gw_arena_printf(arena, "%d", status));
    if (message.len)
        gw_fields_set(fields, arena, GW_GRPC_MESSAGE_FIELD, gw_grpc_message(arena, message));
    else
        gw_fields_remove(fields, GW_GRPC_MESSAGE_FIELD);
}

bool gw_grpc_answer(struct gw_head *response, struct gw_arena *arena, struct gw_slice message,
                    enum gw_error error)
{
    const struct gw_slice *type = gw_fields_get(&response->fields, GW_SLICE("content-type"));
    bool has_status = gw_fields_get(&response->fields, GW_GRPC_STATUS_FIELD) != NULL;

    if (!has_status && type && gw_grpc_is_type(*type))
        return false;
    if (!message.len)
        message = gw_slice_from(gw_status_reason(response->status));
    if (!has_status)
        gw_grpc_put_status(&response->fields, arena, gw_grpc_status_of(response->status, error),
                           message);
    gw_fields_set(&response->fields, arena, GW_SLICE("content-type"), GW_GRPC_TYPE);
    gw_fields_remove(&response->fields, GW_SLICE("content-encoding"));
    response->status = 200;
    response->reason = GW_SLICE_EMPTY;
    response->body_length = GW_BODY_NONE;
    return true;
}
