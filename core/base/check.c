#include "base/check.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define FLUSH_MS 200 /* what was logged before says how it came to this */

void (*gw_check_on_fail)(void);

_Noreturn void gw_check_failed(const char *condition, const char *file, int line,
                               const char *function)
{
    fprintf(stderr, "moongate: internal error: %s does not hold (%s:%d, %s)\n", condition, file,
            line, function);
    if (gw_check_on_fail)
        gw_check_on_fail();
    gw_log_flush(FLUSH_MS);
    abort();
}
