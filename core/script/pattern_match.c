/* The matcher: backtracking over single characters, sets, captures and their repetitions, as the
 * manual of Lua 5.1 describes patterns. Every character that is looked at is a step. */
#include "script/pattern.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#define DEPTH_MAX 200

void gw_pattern_init(struct gw_pattern *m, lua_State *L, const char *subject, size_t len,
                     const char *pattern, size_t pattern_len)
{
    m->L = L;
    m->subject = subject;
    m->subject_end = subject + len;
    m->pattern_end = pattern + pattern_len;
    m->steps = GW_PATTERN_STEPS + GW_PATTERN_STEPS_A_BYTE * len;
    m->depth = 0;
    m->level = 0;
}

static void charge(struct gw_pattern *m, size_t steps)
{
    if (m->steps < steps)
        luaL_error(m->L, "the pattern takes too many steps (this plugin is not trusted)");
    m->steps -= steps;
}

/* --- single characters --- */

static bool in_class(unsigned char c, unsigned char class)
{
    bool in;

    switch (tolower(class)) {
    case 'a':
        in = isalpha(c);
        break;
    case 'c':
        in = iscntrl(c);
        break;
    case 'd':
        in = isdigit(c);
        break;
    case 'g':
        in = isgraph(c);
        break;
    case 'l':
        in = islower(c);
        break;
    case 'p':
        in = ispunct(c);
        break;
    case 's':
        in = isspace(c);
        break;
    case 'u':
        in = isupper(c);
        break;
    case 'w':
        in = isalnum(c);
        break;
    case 'x':
        in = isxdigit(c);
        break;
    case 'z':
        in = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !in : in;
}

/* From its '[' to its ']'. */
static bool in_set(struct gw_pattern *m, unsigned char c, const char *p, const char *last)
{
    bool found = p[1] != '^';

    charge(m, (size_t)(last - p));
    if (!found)
        p++;
    while (++p < last) {
        if (*p == '%') {
            if (in_class(c, (unsigned char)*++p))
                return found;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return found;
        } else if ((unsigned char)*p == c) {
            return found;
        }
    }
    return !found;
}

/* Behind the single character, class or set that begins at p. */
static const char *item_end(struct gw_pattern *m, const char *p)
{
    char first = *p++;

    if (first == '%') {
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;

    const char *begin = p;

    if (p < m->pattern_end && *p == '^')
        p++;
    do { /* a ']' that comes first is one of the set */
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%' && p < m->pattern_end)
            p++;
    } while (p == m->pattern_end || *p != ']');
    charge(m, (size_t)(p - begin));
    return p + 1;
}

static bool is_one(struct gw_pattern *m, const char *s, const char *p, const char *end)
{
    charge(m, 1);
    if (s >= m->subject_end)
        return false;
    switch (*p) {
    case '.':
        return true;
    case '%':
        return in_class((unsigned char)*s, (unsigned char)p[1]);
    case '[':
        return in_set(m, (unsigned char)*s, p, end - 1);
    default:
        return *p == *s;
    }
}

/* --- repetitions --- */

/* As many as there are, then fewer. */
static const char *most(struct gw_pattern *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t count = 0;

    while (is_one(m, s + count, p, end))
        count++;
    for (; count >= 0; count--) {
        const char *rest = gw_pattern_match(m, s + count, end + 1);

        if (rest)
            return rest;
    }
    return NULL;
}

/* As few as possible. */
static const char *fewest(struct gw_pattern *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *rest = gw_pattern_match(m, s, end + 1);

        if (rest)
            return rest;
        if (!is_one(m, s, p, end))
            return NULL;
    }
}

/* --- captures --- */

static const char *open_capture(struct gw_pattern *m, const char *s, const char *p, ptrdiff_t what)
{
    if (m->level >= GW_PATTERN_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->level].start = s;
    m->captures[m->level].len = what;
    m->level++;

    const char *rest = gw_pattern_match(m, s, p);

    if (!rest)
        m->level--;
    return rest;
}

static const char *close_capture(struct gw_pattern *m, const char *s, const char *p)
{
    int at = m->level;

    while (--at >= 0 && m->captures[at].len != GW_CAPTURE_OPEN)
        ;
    if (at < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[at].len = s - m->captures[at].start;

    const char *rest = gw_pattern_match(m, s, p);

    if (!rest)
        m->captures[at].len = GW_CAPTURE_OPEN;
    return rest;
}

/* Behind what a capture has found before, if it stands here again. */
static const char *repeat_capture(struct gw_pattern *m, const char *s, char digit)
{
    int at = digit - '1';

    if (at < 0 || at >= m->level || m->captures[at].len == GW_CAPTURE_OPEN)
        luaL_error(m->L, "invalid capture index");

    ptrdiff_t len = m->captures[at].len;

    if (len < 0 || m->subject_end - s < len)
        return NULL;
    charge(m, (size_t)len);
    return memcmp(m->captures[at].start, s, (size_t)len) == 0 ? s + len : NULL;
}

/* --- %b and %f --- */

static const char *balanced(struct gw_pattern *m, const char *s, const char *p)
{
    int open = 1;

    if (m->pattern_end - p < 2)
        luaL_error(m->L, "unbalanced pattern");
    if (s >= m->subject_end || *s != p[0])
        return NULL;
    while (++s < m->subject_end) {
        charge(m, 1);
        if (*s == p[1]) {
            if (--open == 0)
                return s + 1;
        } else if (*s == p[0]) {
            open++;
        }
    }
    return NULL;
}

/* Whether the set begins to hold here: not for the character before, but for this one. */
static bool is_frontier(struct gw_pattern *m, const char *s, const char *p, const char *end)
{
    unsigned char before = s == m->subject ? 0 : (unsigned char)s[-1];
    unsigned char here = s == m->subject_end ? 0 : (unsigned char)*s;

    return !in_set(m, before, p, end - 1) && in_set(m, here, p, end - 1);
}

/* --- the whole --- */

/* A '%' that is more than an escaped character. True when it was one; *result is where the match
 * goes on, NULL: nowhere; *next: with what of the pattern. */
static bool match_escape(struct gw_pattern *m, const char *s, const char *p, const char **result,
                         const char **next)
{
    if (p + 1 == m->pattern_end)
        return false; /* item_end() complains */
    if (p[1] == 'b') {
        *result = balanced(m, s, p + 2);
        *next = p + 4;
        return true;
    }
    if (p[1] == 'f') {
        if (p + 2 == m->pattern_end || p[2] != '[')
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        *next = item_end(m, p + 2);
        *result = is_frontier(m, s, p + 2, *next) ? s : NULL;
        return true;
    }
    if (isdigit((unsigned char)p[1])) {
        *result = repeat_capture(m, s, p[1]);
        *next = p + 2;
        return true;
    }
    return false;
}

/* A capture, or the "$" at the end: what follows it is matched inside, so *result is the end of the
 * whole. False: something else stands there. */
static bool match_mark(struct gw_pattern *m, const char *s, const char *p, const char **result)
{
    if (*p == '(') {
        bool position = p + 1 < m->pattern_end && p[1] == ')';

        *result = open_capture(m, s, position ? p + 2 : p + 1,
                               position ? GW_CAPTURE_POSITION : GW_CAPTURE_OPEN);
        return true;
    }
    if (*p == ')') {
        *result = close_capture(m, s, p + 1);
        return true;
    }
    if (*p == '$' && p + 1 == m->pattern_end) {
        *result = s == m->subject_end ? s : NULL;
        return true;
    }
    return false;
}

/* One item that may be repeated. True: *result is the end of the whole. False: *s and *p stand
 * behind it. */
static bool match_item(struct gw_pattern *m, const char **s, const char **p, const char **result)
{
    const char *end = item_end(m, *p);

    switch (end < m->pattern_end ? *end : '\0') {
    case '*':
        *result = most(m, *s, *p, end);
        return true;
    case '+':
        *result = is_one(m, *s, *p, end) ? most(m, *s + 1, *p, end) : NULL;
        return true;
    case '-':
        *result = fewest(m, *s, *p, end);
        return true;
    case '?':
        *result = is_one(m, *s, *p, end) ? gw_pattern_match(m, *s + 1, end + 1) : NULL;
        *p = end + 1;
        return *result != NULL;
    default:
        *result = NULL;
        if (!is_one(m, *s, *p, end))
            return true;
        ++*s;
        *p = end;
        return false;
    }
}

static const char *match_here(struct gw_pattern *m, const char *s, const char *p)
{
    const char *next, *result;

    while (p < m->pattern_end) {
        if (match_mark(m, s, p, &result))
            return result;
        if (*p == '%' && match_escape(m, s, p, &s, &next)) {
            if (!s)
                return NULL;
            p = next;
        } else if (match_item(m, &s, &p, &result)) {
            return result;
        }
    }
    return s;
}

const char *gw_pattern_match(struct gw_pattern *m, const char *at, const char *pattern)
{
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->L, "pattern too complex");

    const char *end = match_here(m, at, pattern);

    m->depth--;
    return end;
}
