/* Requests as a client may send them, one or many on a connection. */
#include "h1_wire.h"

GW_FUZZ_TARGET(h1_request)
{
    char *owned;

    fuzz_check_requests(fuzz_copy(data, size, &owned));
    free(owned);
    return 0;
}
