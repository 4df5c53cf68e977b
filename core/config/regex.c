#include "config/regex.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* Steps of one match. Enough for any sane pattern over the longest path, and about a millisecond at
 * the worst. */
#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 10000
#define HEAP_LIMIT_KIB 1024
#define PATTERN_MAX 16384

struct gw_regex {
    pcre2_code *code;
    char *source; /* owned */
    size_t source_len;
    char *literal; /* owned; see gw_regex_literal_prefix() */
    size_t literal_len;
    bool literal_is_whole;
    struct gw_regex_name names[GW_REGEX_NAMES_MAX];
    unsigned group_count, name_count;
    atomic_bool complained;
};

/* What a thread needs to match; freed when the thread ends. */
struct scratch {
    pcre2_match_data *data;
    pcre2_match_context *limits;
};

static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
static _Thread_local struct scratch *scratch;

static void free_scratch(void *ptr)
{
    struct scratch *own = ptr;

    pcre2_match_data_free(own->data);
    pcre2_match_context_free(own->limits);
    gw_free(own);
}

static void make_scratch_key(void)
{
    GW_ASSERT(pthread_key_create(&scratch_key, free_scratch) == 0);
}

static struct scratch *get_scratch(void)
{
    if (scratch)
        return scratch;
    pthread_once(&scratch_once, make_scratch_key);
    struct scratch *own = gw_alloc(sizeof(*own));

    own->data = pcre2_match_data_create(GW_REGEX_GROUPS_MAX, NULL);
    own->limits = pcre2_match_context_create(NULL);
    GW_ASSERT(own->data && own->limits);
    pcre2_set_match_limit(own->limits, MATCH_LIMIT);
    pcre2_set_depth_limit(own->limits, DEPTH_LIMIT);
    pcre2_set_heap_limit(own->limits, HEAP_LIMIT_KIB);
    pthread_setspecific(scratch_key, own);
    scratch = own;
    return own;
}

/* Reads the table of named groups; false when there are more groups than a match keeps. */
static bool read_groups(struct gw_regex *regex, char *why, size_t why_size)
{
    uint32_t groups, names, entry_size;
    PCRE2_SPTR table;

    pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &names);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &entry_size);
    pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &table);
    if (groups >= GW_REGEX_GROUPS_MAX || names > GW_REGEX_NAMES_MAX) {
        snprintf(why, why_size, "too many groups (at most %d, of which %d with a name)",
                 GW_REGEX_GROUPS_MAX - 1, GW_REGEX_NAMES_MAX);
        return false;
    }
    for (uint32_t i = 0; i < names; i++) {
        PCRE2_SPTR entry = table + i * entry_size; /* two bytes of number, the name, a NUL */

        regex->names[i].group = (unsigned)(entry[0] << 8 | entry[1]);
        regex->names[i].name = gw_slice_from((const char *)entry + 2);
    }
    regex->group_count = groups;
    regex->name_count = names;
    return true;
}

static void find_literal(struct gw_regex *regex);

struct gw_regex *gw_regex_new(const char *text, size_t len, unsigned flags, char *why,
                              size_t why_size)
{
    uint32_t options =
        PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C;
    int error;
    size_t at;

    if (len > PATTERN_MAX) {
        snprintf(why, why_size, "the pattern is longer than %d bytes", PATTERN_MAX);
        return NULL;
    }
    if (flags & GW_REGEX_ANCHORED)
        options |= PCRE2_ANCHORED;
    if (flags & GW_REGEX_CASELESS)
        options |= PCRE2_CASELESS;
    pcre2_code *code = NULL;

    if (!GW_FAULT(REGEX)) {
        code = pcre2_compile((PCRE2_SPTR)(len ? text : ""), len, options, &error, &at, NULL);
    } else {
        error = PCRE2_ERROR_HEAP_FAILED;
        at = 0;
    }

    if (!code) {
        char message[128] = "";

        pcre2_get_error_message(error, (PCRE2_UCHAR *)message, sizeof(message));
        snprintf(why, why_size, "%s (at byte %zu)", message, at + 1);
        return NULL;
    }
    struct gw_regex *regex = gw_alloc_zero(sizeof(*regex));

    regex->code = code;
    regex->source = gw_strndup(len ? text : "", len);
    regex->source_len = len;
    atomic_init(&regex->complained, false);
    if (!read_groups(regex, why, why_size)) {
        gw_regex_free(regex);
        return NULL;
    }
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* where it is not allowed, matching is slower */
    find_literal(regex);
    return regex;
}

void gw_regex_free(struct gw_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    gw_free(regex->source);
    gw_free(regex->literal);
    gw_free(regex);
}

bool gw_regex_check(const char *text, size_t len, unsigned flags, char *why, size_t why_size)
{
    struct gw_regex *regex = gw_regex_new(text, len, flags, why, why_size);

    gw_regex_free(regex);
    return regex != NULL;
}

enum gw_regex_result gw_regex_match(const struct gw_regex *regex, struct gw_slice subject,
                                    size_t *matched)
{
    return gw_regex_match_from(regex, subject, 0, matched);
}

enum gw_regex_result gw_regex_match_from(const struct gw_regex *regex, struct gw_slice subject,
                                         size_t from, size_t *matched)
{
    if (from > subject.len)
        return GW_REGEX_NO;

    struct scratch *own = get_scratch();
    int result = pcre2_match(regex->code, (PCRE2_SPTR)(subject.len ? subject.ptr : ""), subject.len,
                             from, 0, own->data, own->limits);

    if (result == PCRE2_ERROR_NOMATCH)
        return GW_REGEX_NO;
    if (result < 0)
        return GW_REGEX_GAVE_UP;
    *matched = pcre2_get_ovector_pointer(own->data)[1];
    return GW_REGEX_YES;
}

struct gw_slice gw_regex_group(const struct gw_regex *regex, struct gw_slice subject,
                               unsigned group)
{
    const size_t *places = pcre2_get_ovector_pointer(get_scratch()->data);
    size_t from = places[2 * group], to = places[2 * group + 1];

    (void)regex;
    if (from == PCRE2_UNSET || to < from || to > subject.len)
        return GW_SLICE_EMPTY;
    return gw_slice(subject.ptr + from, to - from);
}

unsigned gw_regex_groups(const struct gw_regex *regex)
{
    return regex->group_count;
}

unsigned gw_regex_names(const struct gw_regex *regex, const struct gw_regex_name **names)
{
    *names = regex->names;
    return regex->name_count;
}

struct gw_slice gw_regex_source(const struct gw_regex *regex)
{
    return gw_slice(regex->source, regex->source_len);
}

bool gw_regex_complain(struct gw_regex *regex)
{
    return !atomic_exchange_explicit(&regex->complained, true, memory_order_relaxed);
}

struct gw_slice gw_regex_literal_prefix(const struct gw_regex *regex, bool *whole)
{
    *whole = regex->literal_is_whole;
    return gw_slice(regex->literal, regex->literal_len);
}

/* --- The bytes a match must begin with ---
 *
 * Only what is certain is taken; where a pattern does something unusual the prefix is simply
 * shorter or empty. */

static bool is_punctuation(char c)
{
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
           (c >= '{' && c <= '~');
}

static char at_or_nul(struct gw_slice text, size_t i)
{
    return i < text.len ? text.ptr[i] : '\0';
}

/* The place of the "]" that ends the class at `i`; the end of the text when it holds what is not
 * worth following: [\Q…, [[:alpha:]]. */
static size_t end_of_class(struct gw_slice text, size_t i)
{
    i++;
    if (at_or_nul(text, i) == '^')
        i++;
    if (at_or_nul(text, i) == ']')
        i++;
    for (; i < text.len && text.ptr[i] != ']'; i++) {
        if (text.ptr[i] == '\\' || text.ptr[i] == '[')
            return text.len;
    }
    return i;
}

/* Verbs, comments, flags and conditions are no plain groups. */
static bool is_plain_group(struct gw_slice text, size_t i)
{
    char kind = at_or_nul(text, i + 2);

    if (at_or_nul(text, i + 1) == '*')
        return false;
    return at_or_nul(text, i + 1) != '?' || (kind && strchr(":<P=!>", kind));
}

/* False when an alternative at the top level may begin with something else. Whatever could hide or
 * fake a bar from this simple reading (\Q, comments, extended syntax, verbs) counts as one. */
static bool has_one_branch(struct gw_slice text)
{
    int depth = 0;

    for (size_t i = 0; i < text.len; i++) {
        switch (text.ptr[i]) {
        case '\\':
            i++;
            if (at_or_nul(text, i) == 'Q' || at_or_nul(text, i) == 'E')
                return false;
            break;
        case '[':
            i = end_of_class(text, i);
            if (i >= text.len)
                return false;
            break;
        case '(':
            if (!is_plain_group(text, i))
                return false;
            depth++;
            break;
        case ')':
            depth--;
            break;
        case '|':
            if (depth == 0)
                return false;
            break;
        }
    }
    return true;
}

static void find_literal(struct gw_regex *regex)
{
    struct gw_slice text = gw_slice(regex->source, regex->source_len);
    size_t at = text.len && text.ptr[0] == '^' ? 1 : 0, len = 0, last = 0;
    uint32_t options;

    regex->literal = gw_alloc(text.len + 1);
    pcre2_pattern_info(regex->code, PCRE2_INFO_ALLOPTIONS, &options);
    if (!(options & PCRE2_ANCHORED) || (options & PCRE2_CASELESS) || !has_one_branch(text))
        return;
    while (at < text.len) {
        char c = text.ptr[at];

        last = at;
        if (c == '\\') {
            if (at + 1 >= text.len || !is_punctuation(text.ptr[at + 1]))
                break;
            c = text.ptr[at + 1];
            at += 2;
        } else if (memchr("^$.[]|()?*+{}", c, 13)) {
            break;
        } else {
            at++;
        }
        regex->literal[len++] = c;
    }
    if (at < text.len && len && memchr("?*+{", text.ptr[at], 4)) {
        len--; /* the quantifier belongs to the last byte, which may then be missing */
        at = last;
    }
    regex->literal_len = len;
    regex->literal_is_whole =
        at == text.len || gw_slice_equal(gw_slice_skip(text, at), GW_SLICE(".*"));
}
