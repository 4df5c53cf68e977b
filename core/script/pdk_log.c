/* ctx.log, ctx:after, moongate.time and moongate.uuid. */
#include "base/log.h"
#include "script/pdk_common.h"
#include "script/state.h"

#define LINE_MAX_BYTES 8192

int gw_pdk_log_level(void)
{
    return (int)gw_log_level();
}

void gw_pdk_log(struct gw_script *script, struct gw_pdk *h, int level, const char *text, size_t len)
{
    int shown = (int)(len < LINE_MAX_BYTES ? len : LINE_MAX_BYTES);

    if (h && level >= (int)gw_log_level() &&
        !gw_script_may_log(script, script->uses[h->use].account))
        return;
    if (!h)
        gw_log((enum gw_log_level)level, "%.*s", shown, text);
    else if (h->x)
        gw_log((enum gw_log_level)level, "plugin %s, request %.*s: %.*s",
               script->uses[h->use].plugin, GW_SLICE_ARG(h->x->correlation_id), shown, text);
    else
        gw_log((enum gw_log_level)level, "plugin %s, task: %.*s", script->uses[h->use].plugin,
               shown, text);
}

void gw_pdk_after(struct gw_pdk *h)
{
    h->x->has_after = true;
}

const char *gw_pdk_error_text(int code)
{
    return gw_error_info(code >= 0 && code < GW_E_COUNT ? (enum gw_error)code : GW_E_INTERNAL)
        ->text;
}

int gw_pdk_too_large(int code)
{
    return code == GW_E_BODY_TOO_LARGE || code == GW_E_UPSTREAM_BODY_TOO_LARGE;
}

double gw_pdk_time(struct gw_script *script)
{
    return (double)gw_script_clock(script).wall_us / 1e6;
}

double gw_pdk_monotonic(struct gw_script *script)
{
    return (double)gw_script_clock(script).now_us / 1e6;
}

void gw_pdk_uuid(struct gw_script *script, int version, char *out)
{
    struct gw_random *random = script->loop ? &script->loop->random : &script->random;

    if (version == 7)
        gw_uuid_v7(random, gw_script_clock(script).wall_us, out);
    else
        gw_uuid_v4(random, out);
}
