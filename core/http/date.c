#include "http/date.h"

#include <stdio.h>
#include <time.h>

struct gw_slice gw_http_date(int64_t wall_us)
{
    static const char days[7][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char months[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                        "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
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
