#include "http/date.h"

#include <stdio.h>
#include <time.h>

static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };

struct gw_slice gw_http_date(int64_t wall_us)
{
    static _Thread_local char text[48];
    static _Thread_local size_t len;
    static _Thread_local time_t made = -1;
    time_t second = (time_t)(wall_us / 1000000);
    struct tm tm;

    if (second == made)
        return gw_slice(text, len);
    gmtime_r(&second, &tm);
    /* No strftime: the names must not follow a locale. */
    int printed = snprintf(text, sizeof(text), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                           days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon], tm.tm_year + 1900,
                           tm.tm_hour, tm.tm_min, tm.tm_sec);

    len = printed > 0 && (size_t)printed < sizeof(text) ? (size_t)printed : 0;
    made = second;
    return gw_slice(text, len);
}

/* ── reading ───────────────────────────────────────────────────────────────── */

/* The number in `count` digits; -1: there are others. */
static int number(const char *at, unsigned count)
{
    int value = 0;

    for (unsigned i = 0; i < count; i++) {
        if (at[i] < '0' || at[i] > '9')
            return -1;
        value = value * 10 + (at[i] - '0');
    }
    return value;
}

static int month_of(const char *at)
{
    for (int i = 0; i < 12; i++)
        if (memcmp(at, months[i], 3) == 0)
            return i;
    return -1;
}

/* An x of the form is anything, everything else itself. */
static bool has_form(struct gw_slice text, const char *form)
{
    for (size_t i = 0; i < text.len; i++)
        if (form[i] != 'x' && form[i] != text.ptr[i])
            return false;
    return true;
}

bool gw_http_date_parse(struct gw_slice text, int64_t *second)
{
    static const char form[] = "xxx, xx xxx xxxx xx:xx:xx GMT";

    if (text.len != sizeof(form) - 1 || !has_form(text, form))
        return false;

    struct tm tm = {
        .tm_mday = number(text.ptr + 5, 2),
        .tm_mon = month_of(text.ptr + 8),
        .tm_year = number(text.ptr + 12, 4) - 1900,
        .tm_hour = number(text.ptr + 17, 2),
        .tm_min = number(text.ptr + 20, 2),
        .tm_sec = number(text.ptr + 23, 2),
    };

    if (tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_mon < 0 || tm.tm_year < 70 || tm.tm_hour < 0 ||
        tm.tm_hour > 23 || tm.tm_min < 0 || tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60)
        return false;
    *second = timegm(&tm);
    return true;
}
