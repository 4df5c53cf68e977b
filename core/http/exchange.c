#include "http/exchange.h"

#include <stdio.h>

const char *gw_step_name(enum gw_step step)
{
    static const char *const names[GW_STEP_COUNT] = {
        [GW_STEP_REWRITE] = "rewrite", [GW_STEP_ROUTE] = "route",   [GW_STEP_ACCESS] = "access",
        [GW_STEP_CALL] = "call",       [GW_STEP_HEAD] = "head",     [GW_STEP_RESPONSE] = "response",
        [GW_STEP_RESPOND] = "respond", [GW_STEP_FINISH] = "finish", [GW_STEP_LOG] = "log",
        [GW_STEP_FREE] = "free",
    };

    return (unsigned)step < GW_STEP_COUNT ? names[step] : "?";
}

/* Enough of a target to know it again. */
static struct gw_slice beginning(struct gw_slice text)
{
    return gw_slice(text.ptr, text.len < 64 ? text.len : 64);
}

struct gw_slice gw_exchange_describe(const struct gw_exchange *x)
{
    static _Thread_local char line[512];
    uint64_t age_us = x->loop->clock.now_us - x->times.start;
    int len = snprintf(
        line, sizeof(line),
        "%.*s %.*s %.*s at %s for %llu ms, down %s, up %s, hook %s, in %llu, out %llu, "
        "tries %u%s%s",
        GW_SLICE_ARG(x->correlation_id), GW_SLICE_ARG(x->request.method_name),
        GW_SLICE_ARG(beginning(x->request.path)), gw_step_name(x->step),
        (unsigned long long)(age_us / 1000), x->down ? "open" : "closed", x->up ? "open" : "closed",
        x->run || x->body_run[0] || x->body_run[1] ? "waits" : "none",
        (unsigned long long)x->counts.bytes_in, (unsigned long long)x->counts.bytes_out,
        x->counts.tries, x->error ? ", " : "", x->error ? gw_error_info(x->error)->reason : "");

    return gw_slice(line, len < (int)sizeof(line) ? (size_t)len : sizeof(line) - 1);
}
