/* Frames as servers may send them. */
#include "h2_wire.h"

GW_FUZZ_TARGET(h2_client)
{
    char *owned;

    fuzz_h2_answers(fuzz_copy(data, size, &owned));
    free(owned);
    return 0;
}
