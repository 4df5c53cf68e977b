/* What a route asks of connection, method, headers, query arguments, cookies and client. */
#include "base/alloc.h"
#include "base/log.h"
#include "config/cookie.h"
#include "config/router_rules.h"

bool gw_method_fits(const struct gw_matcher *matcher, struct gw_slice method)
{
    for (unsigned i = 0; i < matcher->method_count; i++) {
        if (gw_slice_equal(matcher->methods[i], method))
            return true;
    }
    return matcher->method_count == 0;
}

/* "*.example.com" stands for one label, as it does among the names of certificates. */
static bool name_fits(struct gw_slice wanted, struct gw_slice name)
{
    const char *dot = name.len ? memchr(name.ptr, '.', name.len) : NULL;

    if (wanted.ptr[0] != '*')
        return gw_slice_equal(wanted, name);
    return dot &&
           gw_slice_equal(gw_slice_skip(wanted, 1), gw_slice_skip(name, (size_t)(dot - name.ptr)));
}

bool gw_connection_fits(const struct gw_matcher *matcher, const struct gw_route_query *query)
{
    if (matcher->http_only && query->https)
        return false;
    if (matcher->sni_count == 0 || !query->tls) /* without TLS nobody can say a name */
        return true;
    for (unsigned i = 0; i < matcher->sni_count; i++) {
        if (name_fits(matcher->snis[i], query->sni))
            return true;
    }
    return false;
}

static bool regex_fits(struct gw_regex *regex, const struct gw_matcher *matcher,
                       struct gw_slice value, struct gw_route_match *match)
{
    size_t matched;
    enum gw_regex_result result = gw_regex_match(regex, value, &matched);

    match->work++;
    if (result != GW_REGEX_GAVE_UP)
        return result == GW_REGEX_YES;
    match->regex_errors++;
    if (gw_regex_complain(regex))
        gw_warn("route %.*s: a value of %zu bytes made the regex \"%.*s\" give up at its limit, so "
                "it did "
                "not match (simplify the pattern; said once)",
                GW_SLICE_ARG(matcher->route->name), value.len,
                GW_SLICE_ARG(gw_regex_source(regex)));
    return false;
}

/* --- Headers: each line for itself, without regard to case, as Kong compares them --- */

static bool header_value_fits(const struct gw_matcher *matcher,
                              const struct gw_condition *condition, struct gw_slice value,
                              struct gw_route_match *match)
{
    for (unsigned i = 0; i < condition->value_count; i++) {
        const struct gw_condition_value *wanted = &condition->values[i];

        if (wanted->regex ? regex_fits(wanted->regex, matcher, value, match)
                          : gw_slice_equal_nocase(wanted->text, value))
            return true;
    }
    return condition->value_count == 0;
}

static bool header_holds(const struct gw_matcher *matcher, const struct gw_condition *condition,
                         const struct gw_route_query *query, struct gw_route_match *match)
{
    for (unsigned i = 0; i < query->header_count; i++) {
        if (gw_slice_equal(query->headers[i].name, condition->name) &&
            header_value_fits(matcher, condition, query->headers[i].value, match))
            return true;
    }
    return false;
}

/* --- Query arguments: decoded, then compared byte by byte --- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = gw_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes one decoded byte off the front. A broken escape stands for itself. */
static char next_byte(struct gw_slice *text)
{
    char c = text->ptr[0];

    if (c == '%' && text->len >= 3 && hex_value(text->ptr[1]) >= 0 &&
        hex_value(text->ptr[2]) >= 0) {
        c = (char)(hex_value(text->ptr[1]) * 16 + hex_value(text->ptr[2]));
        *text = gw_slice_skip(*text, 3);
        return c;
    }
    *text = gw_slice_skip(*text, 1);
    return c == '+' ? ' ' : c;
}

static bool decoded_equal(struct gw_slice raw, struct gw_slice wanted)
{
    while (raw.len && wanted.len) {
        if (next_byte(&raw) != wanted.ptr[0])
            return false;
        wanted = gw_slice_skip(wanted, 1);
    }
    return raw.len == 0 && wanted.len == 0;
}

static bool decoded_regex_fits(struct gw_regex *regex, const struct gw_matcher *matcher,
                               struct gw_slice raw, struct gw_route_match *match)
{
    char small[512];
    char *bytes = raw.len <= sizeof(small) ? small : gw_alloc(raw.len);
    size_t len = 0;

    while (raw.len)
        bytes[len++] = next_byte(&raw);
    bool fits = regex_fits(regex, matcher, gw_slice(bytes, len), match);

    if (bytes != small)
        gw_free(bytes);
    return fits;
}

static bool argument_value_fits(const struct gw_matcher *matcher,
                                const struct gw_condition *condition, struct gw_slice raw,
                                struct gw_route_match *match)
{
    for (unsigned i = 0; i < condition->value_count; i++) {
        const struct gw_condition_value *wanted = &condition->values[i];

        if (wanted->regex ? decoded_regex_fits(wanted->regex, matcher, raw, match)
                          : decoded_equal(raw, wanted->text))
            return true;
    }
    return condition->value_count == 0;
}

static bool argument_holds(const struct gw_matcher *matcher, const struct gw_condition *condition,
                           struct gw_slice rest, struct gw_route_match *match)
{
    while (rest.len) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        struct gw_slice pair = gw_slice(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
        const char *equals = pair.len ? memchr(pair.ptr, '=', pair.len) : NULL;
        struct gw_slice name = gw_slice(pair.ptr, equals ? (size_t)(equals - pair.ptr) : pair.len);
        struct gw_slice value = equals ? gw_slice_skip(pair, name.len + 1) : GW_SLICE_EMPTY;

        rest = gw_slice_skip(rest, pair.len + 1);
        if (pair.len && decoded_equal(name, condition->name) &&
            argument_value_fits(matcher, condition, value, match))
            return true;
    }
    return false;
}

/* --- Cookies: byte by byte --- */

static bool cookie_value_fits(const struct gw_matcher *matcher,
                              const struct gw_condition *condition, struct gw_slice value,
                              struct gw_route_match *match)
{
    for (unsigned i = 0; i < condition->value_count; i++) {
        const struct gw_condition_value *wanted = &condition->values[i];

        if (wanted->regex ? regex_fits(wanted->regex, matcher, value, match)
                          : gw_slice_equal(wanted->text, value))
            return true;
    }
    return condition->value_count == 0;
}

static bool cookie_holds(const struct gw_matcher *matcher, const struct gw_condition *condition,
                         const struct gw_route_query *query, struct gw_route_match *match)
{
    struct gw_slice name, value;

    for (unsigned i = 0; i < query->header_count; i++) {
        struct gw_slice pairs = query->headers[i].value;

        if (!gw_slice_equal(query->headers[i].name, GW_SLICE("cookie")))
            continue;
        while (gw_cookie_next(&pairs, &name, &value))
            if (gw_slice_equal(name, condition->name) &&
                cookie_value_fits(matcher, condition, value, match))
                return true;
    }
    return false;
}

bool gw_conditions_hold(const struct gw_matcher *matcher, const struct gw_route_query *query,
                        struct gw_route_match *match)
{
    for (unsigned i = 0; i < matcher->header_count; i++) {
        match->work++;
        if (!header_holds(matcher, &matcher->headers[i], query, match))
            return false;
    }
    for (unsigned i = 0; i < matcher->argument_count; i++) {
        match->work++;
        if (!argument_holds(matcher, &matcher->arguments[i], query->query, match))
            return false;
    }
    for (unsigned i = 0; i < matcher->cookie_count; i++) {
        match->work++;
        if (!cookie_holds(matcher, &matcher->cookies[i], query, match))
            return false;
    }
    return !matcher->sources ||
           (query->client.len && gw_cidr_set_has(matcher->sources, &query->client));
}
