/* moongate.limit with `store = "file"`: the ledger of the process, in Lua's units. */
#include "base/check.h"
#include "base/map.h"
#include "script/modules.h"
#include "script/state.h"
#include "store/ledger.h"

#include <math.h>

static uint64_t now_us(const struct gw_script *script)
{
    struct gw_clock clock = gw_script_clock(script);

    return gw_clock_steady_us(&clock);
}

/* 52 bits: what a number of Lua's holds. */
double gw_pdk_quota_counter(const char *name, size_t len)
{
    return (double)(gw_hash(0, name, len) >> 12);
}

static void tell(const struct gw_limit_answer *got, struct gw_pdk_limit_answer *answer)
{
    answer->limit = got->limit;
    answer->remaining = got->remaining;
    answer->reset = (double)got->reset_us / 1e6;
    answer->retry_after = got->retry_us == UINT64_MAX ? INFINITY : (double)got->retry_us / 1e6;
    answer->allowed = got->allowed;
}

static struct gw_ledger_ask ask_of(double counter, const struct gw_pdk_limit_ask *ask)
{
    return (struct gw_ledger_ask){
        .counter = (uint64_t)counter,
        .key = gw_slice(ask->key, ask->len),
        .rule = ask->rule,
        .cost = ask->cost,
    };
}

int gw_pdk_quota_decide(struct gw_script *script, double counter, int mode,
                        const struct gw_pdk_limit_ask *asks, size_t count,
                        struct gw_pdk_limit_answer *answers)
{
    struct gw_ledger_ask own[GW_LIMIT_ASKS_MAX];
    struct gw_limit_answer got[GW_LIMIT_ASKS_MAX];
    enum gw_quotas_outcome outcome;

    GW_ASSERT(script->ledger && count > 0 && count <= GW_LIMIT_ASKS_MAX);
    for (size_t i = 0; i < count; i++)
        own[i] = ask_of(counter, &asks[i]);
    if (mode)
        outcome = gw_ledger_take(script->ledger, own, count, now_us(script), got);
    else
        outcome = gw_ledger_look(script->ledger, own, count, now_us(script), got);
    for (size_t i = 0; outcome != GW_QUOTAS_UNKNOWN && i < count; i++)
        tell(&got[i], &answers[i]);
    return (int)outcome;
}

int gw_pdk_quota_adjust(struct gw_script *script, double counter,
                        const struct gw_pdk_limit_ask *ask, struct gw_pdk_limit_answer *answer)
{
    struct gw_ledger_ask own = ask_of(counter, ask);
    struct gw_limit_answer got;

    GW_ASSERT(script->ledger);
    bool counted = gw_ledger_adjust(script->ledger, &own, now_us(script), &got);

    tell(&got, answer);
    return counted;
}

void gw_pdk_quota_stats(struct gw_script *script, struct gw_zone_stats *stats)
{
    struct gw_ledger_stats ledger;

    gw_ledger_stats(script->ledger, &ledger);
    *stats = (struct gw_zone_stats){
        .bytes = ledger.quotas.bytes,
        .max_bytes = ledger.quotas.max_bytes,
        .entries = ledger.quotas.entries,
        .evicted = ledger.quotas.evicted,
    };
}
