/* What reaches a client over TLS when somebody alters it on the way; and what is no TLS at all,
 * behind a byte of 128 or more. */
#include "tls_wire.h"

GW_FUZZ_TARGET(tls_client)
{
    char *owned;
    struct gw_slice input = fuzz_copy(data, size, &owned);

    if (size && data[0] >= 128)
        fuzz_tls_alone(gw_slice_skip(input, 1), false);
    else
        fuzz_tls_between(input, false);
    free(owned);
    return 0;
}
