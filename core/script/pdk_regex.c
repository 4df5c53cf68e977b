/* moongate.regex: the configuration's regular expressions for plugins. */
#include "config/regex.h"
#include "script/pdk.h"

int gw_pdk_regex_test(const struct gw_regex *regex, const char *text, size_t len)
{
    return gw_pdk_regex_test_from(regex, text, len, 0);
}

int gw_pdk_regex_test_from(const struct gw_regex *regex, const char *text, size_t len, size_t from)
{
    size_t matched;

    switch (gw_regex_match_from(regex, gw_slice(text, len), from, &matched)) {
    case GW_REGEX_NO:
        return 0;
    case GW_REGEX_YES:
        return 1;
    case GW_REGEX_GAVE_UP:
        return -1;
    }
    return -1;
}

int gw_pdk_regex_group(const struct gw_regex *regex, const char *text, size_t len, uint32_t n,
                       const char **found, size_t *found_len)
{
    if (n > gw_regex_groups(regex))
        return 0;

    struct gw_slice group = gw_regex_group(regex, gw_slice(text, len), n);

    *found = group.ptr;
    *found_len = group.len;
    return group.ptr != NULL;
}

uint32_t gw_pdk_regex_groups(const struct gw_regex *regex)
{
    return gw_regex_groups(regex);
}

uint32_t gw_pdk_regex_name(const struct gw_regex *regex, uint32_t n, const char **name,
                           size_t *name_len)
{
    const struct gw_regex_name *names;

    if (n >= gw_regex_names(regex, &names))
        return 0;
    *name = names[n].name.ptr;
    *name_len = names[n].name.len;
    return names[n].group;
}
