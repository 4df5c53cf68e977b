/* Gates as zones, and the pace of a request's bodies. */
#include "policy/pace.h"
#include "script/gates.h"
#include "script/pdk_common.h"
#include "script/state.h"

struct gw_gates *gw_pdk_gates(struct gw_script *script, const char *name, size_t len, double bytes,
                              const char **other_kind)
{
    size_t size = (size_t)bytes;
    struct gw_zone *zone =
        gw_zone_acquire(script->zones, gw_slice(name, len), &gw_gates_kind, &size, other_kind);

    if (!zone)
        return NULL;
    gw_script_declare_zone(script, zone, size);
    return gw_gates_of_zone(zone);
}

void gw_pdk_gates_stats(struct gw_gates *gates, struct gw_pdk_gates_stats *stats)
{
    struct gw_gates_stats own;

    gw_gates_stats(gates, &own);
    *stats = (struct gw_pdk_gates_stats){
        .waiting = own.waiting,
        .active = own.active,
        .keys = (double)own.gates,
        .bytes = (double)own.bytes,
        .size = (double)own.max_bytes,
        .passed = (double)own.passed,
        .refused = (double)own.refused,
        .left = (double)own.left,
        .evicted = (double)own.evicted,
    };
}

int gw_pdk_pace(struct gw_pdk *h, int direction, double rate, double burst, struct gw_gates *gates,
                const char *key, size_t len)
{
    struct gw_exchange *x = h->x;
    struct gw_pace *pace = gw_arena_alloc_zero(x->arena, sizeof(*pace));

    pace->rate = rate;
    pace->burst = burst;
    if (gates) {
        pace->gate = gw_gates_share(gates, gw_slice(key, len), x->loop->clock.now_us);
        if (!pace->gate)
            return 0;
        gw_gate_keep(x, pace->gate);
    }
    x->pace[direction] = pace;
    return 1;
}
