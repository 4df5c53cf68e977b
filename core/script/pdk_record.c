/* What log hooks are told of a request that is over: bytes, times, tries. */
#include "script/pdk_common.h"

static double between(uint64_t from, uint64_t to)
{
    return from && to >= from ? (double)(to - from) : -1;
}

double gw_pdk_record(const struct gw_pdk *h, int what)
{
    const struct gw_exchange *x = h->x;
    const struct gw_times *times = &x->times;
    bool called = x->counts.tries > 0;

    switch (what) {
    case GW_PDK_BYTES_IN:
        return (double)x->counts.bytes_in;
    case GW_PDK_BYTES_OUT:
        return (double)x->counts.bytes_out;
    case GW_PDK_DURATION:
        return between(times->start, times->end);
    case GW_PDK_OWN_TIME:
        return between(times->start, called           ? times->call_start
                                     : times->respond ? times->respond
                                                      : times->end);
    case GW_PDK_WAIT_TIME:
        return x->received ? between(times->call_start, times->head) : -1;
    case GW_PDK_REPLY_TIME:
        return between(times->respond, times->end);
    default:
        return 0;
    }
}

/* A monotonic reading as wall time: both ran alike since the request began. */
static double wall_ms(const struct gw_exchange *x, uint64_t at_us)
{
    return (double)((x->times.wall_us + (int64_t)(at_us - x->times.start)) / 1000);
}

double gw_pdk_try(struct gw_pdk *h, uint32_t n)
{
    const struct gw_exchange *x = h->x;
    const struct gw_try *failed = x->failed_tries;

    if (x->upstream_address.len == 0)
        return 0;
    if (n == 0) {
        const struct gw_error_info *info = gw_error_info(x->error);
        bool its_own = !x->received && x->error && info->side == GW_SIDE_UPSTREAM;

        gw_pdk_put(h, x->upstream_address);
        gw_pdk_put_value(h, its_own ? gw_slice_from(info->reason) : GW_SLICE_EMPTY);
        return wall_ms(x, x->upstream_started_us);
    }
    while (failed && --n > 0)
        failed = failed->before;
    if (!failed)
        return 0;
    gw_pdk_put(h, failed->target);
    gw_pdk_put_value(h, gw_slice_from(gw_error_info(failed->error)->reason));
    return wall_ms(x, failed->started_us);
}
