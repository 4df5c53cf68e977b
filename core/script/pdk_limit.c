/* moongate.limit: tables of limits as zones of the process, in Lua's units. */
#include "policy/limit.h"

#include "base/check.h"
#include "script/modules.h"
#include "script/state.h"

#include <math.h>

static uint64_t now_us(const struct gw_script *script)
{
    if (script->loop)
        return gw_clock_steady_us(&script->loop->clock);
    struct gw_clock clock = gw_script_clock(script);

    return gw_clock_steady_us(&clock);
}

struct gw_limit_table *gw_pdk_limit_table(struct gw_script *script, const char *name, size_t len,
                                          double bytes, const char **other_kind)
{
    size_t size = (size_t)bytes;
    struct gw_zone *zone = gw_zone_acquire(script->zones, gw_slice(name, len), &gw_limit_table_kind,
                                           &size, other_kind);

    if (!zone)
        return NULL;
    gw_script_declare_zone(script, zone, size);
    return gw_limit_table_of_zone(zone);
}

static void tell(const struct gw_limit_answer *got, struct gw_pdk_limit_answer *answer)
{
    answer->limit = got->limit;
    answer->remaining = got->remaining;
    answer->reset = (double)got->reset_us / 1e6;
    answer->retry_after = got->retry_us == UINT64_MAX ? INFINITY : (double)got->retry_us / 1e6;
    answer->allowed = got->allowed;
}

static bool decide(const struct gw_script *script, struct gw_limit_table *limits, int take,
                   const struct gw_limit_ask *asks, size_t count, struct gw_limit_answer *answers)
{
    if (take)
        return gw_limit_take(limits, asks, count, now_us(script), answers);
    return gw_limit_look(limits, asks, count, now_us(script), answers);
}

int gw_pdk_limit_decide(struct gw_script *script, struct gw_limit_table *limits, int take,
                        const struct gw_pdk_limit_ask *asks, size_t count,
                        struct gw_pdk_limit_answer *answers)
{
    struct gw_limit_ask own[GW_LIMIT_ASKS_MAX];
    struct gw_limit_answer got[GW_LIMIT_ASKS_MAX];

    GW_ASSERT(count > 0 && count <= GW_LIMIT_ASKS_MAX);
    for (size_t i = 0; i < count; i++)
        own[i] = (struct gw_limit_ask){
            .key = gw_slice(asks[i].key, asks[i].len),
            .rule = asks[i].rule,
            .cost = asks[i].cost,
        };
    bool all = decide(script, limits, take, own, count, got);

    for (size_t i = 0; i < count; i++)
        tell(&got[i], &answers[i]);
    return all;
}

int gw_pdk_limit_decide_one(struct gw_script *script, struct gw_limit_table *limits, int take,
                            const char *key, size_t len, const struct gw_limit_rule *rule,
                            double cost, struct gw_pdk_limit_answer *answer)
{
    struct gw_limit_ask ask = { .key = gw_slice(key, len), .rule = rule, .cost = cost };
    struct gw_limit_answer got;
    bool allowed = decide(script, limits, take, &ask, 1, &got);

    tell(&got, answer);
    return allowed;
}

int gw_pdk_limit_adjust(struct gw_script *script, struct gw_limit_table *limits, const char *key,
                        size_t len, const struct gw_limit_rule *rule, double delta,
                        struct gw_pdk_limit_answer *answer)
{
    struct gw_limit_ask ask = { .key = gw_slice(key, len), .rule = rule, .cost = delta };
    struct gw_limit_answer got;

    gw_limit_adjust(limits, &ask, now_us(script), &got);
    tell(&got, answer);
    return got.allowed;
}

void gw_pdk_limit_forget(struct gw_limit_table *limits, const char *key, size_t len,
                         const struct gw_limit_rule *rule)
{
    gw_limit_forget(limits, gw_slice(key, len), rule);
}

double gw_pdk_limit_log_max(const struct gw_limit_table *limits)
{
    return gw_limit_log_max(limits);
}

void gw_pdk_limit_stats(struct gw_limit_table *limits, struct gw_zone_stats *stats)
{
    gw_limit_table_stats(limits, stats);
}

const char *gw_pdk_limit_rule(struct gw_limit_rule *rule, const struct gw_limit_terms *terms)
{
    return gw_limit_rule_init(rule, terms);
}
