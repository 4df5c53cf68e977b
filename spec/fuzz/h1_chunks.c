/* Chunked bodies with extensions and trailers, and what stands behind them on the connection. */
#include "h1_wire.h"

GW_FUZZ_TARGET(h1_chunks)
{
    static const char head[] = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct gw_buf bytes;

    gw_buf_init(&bytes, SIZE_MAX / 2);
    gw_buf_append(&bytes, gw_slice(head, sizeof(head) - 1));
    gw_buf_append(&bytes, gw_slice((const char *)data, size));
    fuzz_check_requests(gw_buf_slice(&bytes));
    gw_buf_deinit(&bytes);
    return 0;
}
