/* Frames as clients may send them, behind a preface that is right. */
#include "h2_wire.h"

GW_FUZZ_TARGET(h2_server)
{
    char *owned;

    fuzz_h2_requests(fuzz_copy(data, size, &owned));
    free(owned);
    return 0;
}
