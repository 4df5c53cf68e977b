#include "http/head.h"

#include "base/check.h"

static const struct {
    struct gw_slice name;
    bool idempotent; /* RFC 9110 9.2.2; QUERY: draft-ietf-httpbis-safe-method-w-body */
} methods[] = {
#define METHOD(name, idempotent) [GW_METHOD_##name] = { { #name, sizeof(#name) - 1 }, idempotent }
    METHOD(GET, true),    METHOD(HEAD, true),     METHOD(POST, false),   METHOD(PUT, true),
    METHOD(DELETE, true), METHOD(CONNECT, false), METHOD(OPTIONS, true), METHOD(TRACE, true),
    METHOD(PATCH, false), METHOD(QUERY, true),
#undef METHOD
};

enum gw_method gw_method_parse(struct gw_slice name)
{
    for (unsigned i = 0; i < GW_ARRAY_LEN(methods); i++)
        if (gw_slice_equal(methods[i].name, name))
            return (enum gw_method)i;
    return GW_METHOD_OTHER;
}

bool gw_method_idempotent(enum gw_method method)
{
    return method < GW_ARRAY_LEN(methods) && methods[method].idempotent;
}

/* RFC 9110 15 and the IANA registry. */
static const char *const reasons[] = {
    [100] = "Continue",
    [101] = "Switching Protocols",
    [102] = "Processing",
    [103] = "Early Hints",
    [200] = "OK",
    [201] = "Created",
    [202] = "Accepted",
    [203] = "Non-Authoritative Information",
    [204] = "No Content",
    [205] = "Reset Content",
    [206] = "Partial Content",
    [207] = "Multi-Status",
    [208] = "Already Reported",
    [226] = "IM Used",
    [300] = "Multiple Choices",
    [301] = "Moved Permanently",
    [302] = "Found",
    [303] = "See Other",
    [304] = "Not Modified",
    [305] = "Use Proxy",
    [307] = "Temporary Redirect",
    [308] = "Permanent Redirect",
    [400] = "Bad Request",
    [401] = "Unauthorized",
    [402] = "Payment Required",
    [403] = "Forbidden",
    [404] = "Not Found",
    [405] = "Method Not Allowed",
    [406] = "Not Acceptable",
    [407] = "Proxy Authentication Required",
    [408] = "Request Timeout",
    [409] = "Conflict",
    [410] = "Gone",
    [411] = "Length Required",
    [412] = "Precondition Failed",
    [413] = "Content Too Large",
    [414] = "URI Too Long",
    [415] = "Unsupported Media Type",
    [416] = "Range Not Satisfiable",
    [417] = "Expectation Failed",
    [418] = "I'm a teapot",
    [421] = "Misdirected Request",
    [422] = "Unprocessable Content",
    [423] = "Locked",
    [424] = "Failed Dependency",
    [425] = "Too Early",
    [426] = "Upgrade Required",
    [428] = "Precondition Required",
    [429] = "Too Many Requests",
    [431] = "Request Header Fields Too Large",
    [451] = "Unavailable For Legal Reasons",
    [499] = "Client Closed Request",
    [500] = "Internal Server Error",
    [501] = "Not Implemented",
    [502] = "Bad Gateway",
    [503] = "Service Unavailable",
    [504] = "Gateway Timeout",
    [505] = "HTTP Version Not Supported",
    [506] = "Variant Also Negotiates",
    [507] = "Insufficient Storage",
    [508] = "Loop Detected",
    [510] = "Not Extended",
    [511] = "Network Authentication Required",
};

const char *gw_status_reason(int status)
{
    if (status < 0 || (size_t)status >= GW_ARRAY_LEN(reasons) || !reasons[status])
        return "";
    return reasons[status];
}

bool gw_status_has_no_body(int status, enum gw_method request_method)
{
    return request_method == GW_METHOD_HEAD || status < 200 || status == 204 || status == 304 ||
           (request_method == GW_METHOD_CONNECT && status < 300);
}

struct gw_head *gw_head_copy(const struct gw_head *head, struct gw_arena *arena)
{
    struct gw_head *copy = gw_arena_alloc(arena, sizeof(*copy));

    *copy = *head;
    copy->method_name = gw_arena_copy(arena, head->method_name);
    copy->scheme = gw_arena_copy(arena, head->scheme);
    copy->authority = gw_arena_copy(arena, head->authority);
    copy->path = gw_arena_copy(arena, head->path);
    copy->query = gw_arena_copy(arena, head->query);
    copy->raw_target = gw_arena_copy(arena, head->raw_target);
    copy->protocol = gw_arena_copy(arena, head->protocol);
    copy->reason = gw_arena_copy(arena, head->reason);
    gw_fields_copy_deep(&copy->fields, arena, &head->fields);
    return copy;
}
