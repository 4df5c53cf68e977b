#include "json_judge.h"

#include "base/utf8.h"

static void skip_blanks(struct gw_slice *rest)
{
    while (rest->len && strchr(" \t\r\n", rest->ptr[0]) && rest->ptr[0])
        *rest = gw_slice_skip(*rest, 1);
}

static bool take(struct gw_slice *rest, const char *text)
{
    if (!gw_slice_starts_with(*rest, gw_slice_from(text)))
        return false;
    *rest = gw_slice_skip(*rest, strlen(text));
    return true;
}

static bool take_string(struct gw_slice *rest)
{
    if (!take(rest, "\""))
        return false;
    while (rest->len && rest->ptr[0] != '"') {
        size_t len = gw_utf8_length(*rest);

        if (len == 0 || (unsigned char)rest->ptr[0] < 0x20)
            return false;
        if (rest->ptr[0] == '\\') {
            char kind = rest->len > 1 ? rest->ptr[1] : 0;

            if (!kind || !strchr("\"\\/bfnrtu", kind) || (kind == 'u' && rest->len < 6))
                return false;
            for (int i = 2; kind == 'u' && i < 6; i++)
                if (!strchr("0123456789abcdefABCDEF", rest->ptr[i]) || !rest->ptr[i])
                    return false;
            len = kind == 'u' ? 6 : 2;
        }
        *rest = gw_slice_skip(*rest, len);
    }
    return take(rest, "\"");
}

static bool take_digits(struct gw_slice *rest)
{
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9')
        len++;
    *rest = gw_slice_skip(*rest, len);
    return len > 0;
}

static bool take_number(struct gw_slice *rest)
{
    take(rest, "-");
    if (!take(rest, "0") && !take_digits(rest))
        return false;
    if (take(rest, ".") && !take_digits(rest))
        return false;
    if (take(rest, "e") || take(rest, "E")) {
        if (!take(rest, "+"))
            take(rest, "-");
        return take_digits(rest);
    }
    return true;
}

static bool take_value(struct gw_slice *rest, int depth);

static bool take_members(struct gw_slice *rest, const char *end, bool named, int depth)
{
    skip_blanks(rest);
    if (take(rest, end))
        return true;
    do {
        skip_blanks(rest);
        if (named) {
            if (!take_string(rest))
                return false;
            skip_blanks(rest);
            if (!take(rest, ":"))
                return false;
        }
        if (!take_value(rest, depth + 1))
            return false;
    } while (take(rest, ","));
    return take(rest, end);
}

static bool take_value(struct gw_slice *rest, int depth)
{
    bool good;

    skip_blanks(rest);
    if (depth > 200 || rest->len == 0)
        return false;
    if (rest->ptr[0] == '"')
        good = take_string(rest);
    else if (take(rest, "{"))
        good = take_members(rest, "}", true, depth);
    else if (take(rest, "["))
        good = take_members(rest, "]", false, depth);
    else
        good = take(rest, "true") || take(rest, "false") || take(rest, "null") || take_number(rest);
    skip_blanks(rest);
    return good;
}

bool fuzz_is_json(struct gw_slice text)
{
    return take_value(&text, 0) && text.len == 0;
}
