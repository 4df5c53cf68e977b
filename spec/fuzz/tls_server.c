/* What reaches a server over TLS when somebody alters it on the way; and what is no TLS at all,
 * behind a byte of 128 or more. */
#include "tls_wire.h"

GW_FUZZ_TARGET(tls_server)
{
    char *owned;
    struct gw_slice input = fuzz_copy(data, size, &owned);

    if (size && data[0] >= 128)
        fuzz_tls_alone(gw_slice_skip(input, 1), true);
    else
        fuzz_tls_between(input, true);
    free(owned);
    return 0;
}
