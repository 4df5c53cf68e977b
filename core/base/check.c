#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void (*gw_check_on_fail)(void);

_Noreturn void gw_check_failed(const char *condition, const char *file, int line,
                               const char *function)
{
    fprintf(stderr, "moongate: internal error: %s does not hold (%s:%d, %s)\n", condition, file,
            line, function);
    if (gw_check_on_fail)
        gw_check_on_fail();
    abort();
}
