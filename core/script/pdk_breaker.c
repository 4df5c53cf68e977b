/* moongate.breaker: circuit breakers of plugins as zones of the process, in Lua's units. */
#include "base/log.h"
#include "policy/breaker_zone.h"
#include "script/modules.h"
#include "script/state.h"

static uint64_t now_us(const struct gw_script *script)
{
    return script->loop ? script->loop->clock.now_us : gw_script_clock(script).now_us;
}

static void tell(const char *name, const struct gw_breaker_event *event)
{
    const char *why = gw_breaker_why_text(event->why);

    if (!event->moved)
        return;
    if (event->to == GW_BREAKER_OPEN)
        gw_warn("breaker %s opens for %llu ms (%s)", name,
                (unsigned long long)(event->open_for_us / 1000), why);
    else
        gw_notice("breaker %s is %s (%s)", name, gw_breaker_state_text(event->to), why);
}

struct gw_breaker *gw_pdk_breaker(struct gw_script *script, const char *name, size_t len,
                                  const char **other_kind)
{
    struct gw_zone *zone =
        gw_zone_acquire(script->zones, gw_slice(name, len), &gw_breaker_kind, NULL, other_kind);

    if (!zone)
        return NULL;
    gw_script_declare_zone(script, zone, 0);
    return gw_breaker_of_zone(zone);
}

static uint64_t to_us(double seconds)
{
    return (uint64_t)(seconds * 1e6);
}

static struct gw_breaker_rules rules_of(const struct gw_pdk_breaker_rules *rules)
{
    return (struct gw_breaker_rules){
        .failure_threshold = (uint32_t)rules->failure_threshold,
        .failure_ratio = rules->failure_ratio,
        .minimum_volume = (uint32_t)rules->minimum_volume,
        .window_us = to_us(rules->window),
        .call_timeout_us = to_us(rules->call_timeout),
        .half_open_after_us = to_us(rules->half_open_after),
        .half_open_after_max_us = to_us(rules->half_open_after_max),
        .probe_timeout_us = to_us(rules->half_open_timeout),
        .half_open_requests = (uint32_t)rules->half_open_requests,
        .success_threshold = (uint32_t)rules->success_threshold,
    };
}

double gw_pdk_breaker_ask(struct gw_script *script, struct gw_breaker *breaker, const char *name,
                          const struct gw_pdk_breaker_rules *rules,
                          struct gw_pdk_breaker_pass *pass)
{
    struct gw_breaker_rules own = rules_of(rules);
    struct gw_breaker_pass got = { 0 };
    struct gw_breaker_event event;
    uint64_t wait_us = gw_breaker_ask(breaker, &own, now_us(script), &got, &event);

    *pass = (struct gw_pdk_breaker_pass){ got.epoch, got.at_us, got.probe };
    tell(name, &event);
    return (double)wait_us / 1e6;
}

void gw_pdk_breaker_end(struct gw_script *script, struct gw_breaker *breaker, const char *name,
                        const struct gw_pdk_breaker_rules *rules,
                        const struct gw_pdk_breaker_pass *pass, int outcome)
{
    struct gw_breaker_rules own = rules_of(rules);
    struct gw_breaker_pass had = { pass->epoch, pass->at_us, pass->probe };
    struct gw_breaker_event event;

    gw_breaker_end(breaker, &own, &had, (enum gw_breaker_outcome)outcome, now_us(script), &event);
    tell(name, &event);
}

const char *gw_pdk_breaker_state(struct gw_script *script, struct gw_breaker *breaker)
{
    return gw_breaker_state_text(gw_breaker_look(breaker, now_us(script)).state);
}
