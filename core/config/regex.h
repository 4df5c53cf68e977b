#pragma once
/* Regular expressions of the configuration: PCRE2 with JIT, bounded, so that no input makes one run
 * for long. Compiled on the loader thread, run by every thread; what a run needs is kept per
 * thread. */
#ifndef GW_CDEF
#include "base/slice.h"
#endif

#define GW_REGEX_GROUPS_MAX 64
#define GW_REGEX_NAMES_MAX 16

struct gw_regex;

enum gw_regex_flags {
    GW_REGEX_ANCHORED = 1, /* must match from the first byte on */
    GW_REGEX_CASELESS = 2,
};

enum gw_regex_result {
    GW_REGEX_NO,
    GW_REGEX_YES,
    GW_REGEX_GAVE_UP, /* a limit was hit: neither yes nor no */
};

/* Compiles. NULL with the reason and its place in `why` (NUL-terminated). Owned by the caller until
 * gw_regex_free(). */
struct gw_regex *gw_regex_new(const char *text, size_t len, unsigned flags, char *why,
                              size_t why_size);
void gw_regex_free(struct gw_regex *regex); /* NULL is fine */

/* True when the text compiles; else the reason is in `why`. */
bool gw_regex_check(const char *text, size_t len, unsigned flags, char *why, size_t why_size);

#ifndef GW_CDEF

struct gw_regex_name {
    struct gw_slice name; /* lives as long as the regex */
    unsigned group;
};

/* Where groups matched; valid until the thread's next match. Unset groups are empty slices. */
enum gw_regex_result gw_regex_match(const struct gw_regex *regex, struct gw_slice subject,
                                    size_t *matched);

/* The same from a byte of the subject on; what stands before it is seen by look-behinds alone. */
enum gw_regex_result gw_regex_match_from(const struct gw_regex *regex, struct gw_slice subject,
                                         size_t from, size_t *matched);
struct gw_slice gw_regex_group(const struct gw_regex *regex, struct gw_slice subject,
                               unsigned group);

unsigned gw_regex_groups(const struct gw_regex *regex); /* how many, without the whole match */

/* The named groups; returns how many. */
unsigned gw_regex_names(const struct gw_regex *regex, const struct gw_regex_name **names);

struct gw_slice gw_regex_source(const struct gw_regex *regex);

/* True once for each regex: so that a pattern which gives up is logged, but does not flood the log.
 */
bool gw_regex_complain(struct gw_regex *regex);

/* The bytes every match must begin with, when it is anchored. *whole is set when the pattern is
 * nothing but these bytes (a ".*" behind them and a "^" before them change nothing). Borrowed from
 * the regex. */
struct gw_slice gw_regex_literal_prefix(const struct gw_regex *regex, bool *whole);

#endif
