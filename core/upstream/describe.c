/* What people are told of upstreams and their targets. */
#include "base/alloc.h"
#include "base/buf.h"
#include "policy/balance.h"
#include "upstream/registry_private.h"

static void describe_upstream(const struct gw_upstream *upstream, struct gw_buf *out, bool *first)
{
    for (unsigned i = 0; i < upstream->set->count; i++) {
        const struct gw_target *target = upstream->set->items[i].target;

        gw_buf_printf(out,
                      "%s{\"upstream\":\"%.*s\",\"target\":\"%.*s\",\"address\":\"%.*s\","
                      "\"weight\":%u,\"inFlight\":%u}",
                      *first ? "" : ",\n", (int)upstream->key_len - 2, upstream->key + 2,
                      GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text),
                      upstream->set->items[i].weight / GW_WEIGHT_SHARES,
                      atomic_load_explicit(&target->vitals.active, memory_order_relaxed));
        *first = false;
    }
}

void gw_registry_describe(struct gw_registry *registry, struct gw_buf *out)
{
    struct gw_map_entry *entry;
    bool first = true;
    size_t at = 0;

    gw_buf_append_char(out, '[');
    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->upstreams, &at)))
        describe_upstream(entry->value, out, &first);
    pthread_mutex_unlock(&registry->lock);
    gw_buf_append_char(out, ']');
}

/* ── the targets' health ───────────────────────────────────────────────────── */

static const char *state_of(const struct gw_target *target, uint64_t now_us)
{
    struct gw_health_look look = gw_health_look(&target->vitals.health);

    if (look.unchecked)
        return "unchecked";
    if (look.down)
        return "unhealthy";
    return gw_ejection_is(&target->vitals.ejection, now_us) ? "ejected" : "healthy";
}

static void say_why(struct gw_target_info *info, const struct gw_target *target, uint64_t now_us)
{
    const struct gw_health_look *look = &info->look;
    uint64_t until = atomic_load_explicit(&target->vitals.ejection.until_us, memory_order_relaxed);

    if (until > now_us) {
        info->ejected_for_us = until - now_us;
        info->why = gw_ejection_why_text(target->vitals.ejection.why);
    }
    if (!look->down && until > now_us)
        info->by = "traffic";
    else if (look->by != GW_HEALTH_BY_NOBODY)
        info->by = gw_health_by_text(look->by);
    if (look->down)
        info->why = look->report == GW_HEALTH_NOTHING ? "" : gw_health_report_text(look->report);
}

static struct gw_target_info info_of(const struct gw_upstream *upstream,
                                     const struct gw_target_item *item, uint64_t now_us)
{
    const struct gw_target *target = item->target;
    struct gw_target_info info = {
        .upstream = gw_upstream_name(upstream),
        .target = target->authority,
        .address = target->text,
        .weight = item->weight / GW_WEIGHT_SHARES,
        .priority = item->priority / GW_RECORD_PRIORITIES,
        .in_flight = atomic_load_explicit(&target->vitals.active, memory_order_relaxed),
        .state = state_of(target, now_us),
        .by = "",
        .why = "",
        .look = gw_health_look(&target->vitals.health),
        .since_us = atomic_load_explicit(&target->moved_us, memory_order_relaxed),
    };

    say_why(&info, target, now_us);
    for (unsigned i = 0; i < GW_ARRAY_LEN(info.checks); i++)
        info.checks[i] = atomic_load_explicit(&target->checks[i], memory_order_relaxed);
    for (unsigned i = 0; i < GW_ARRAY_LEN(info.ejections); i++)
        info.ejections[i] = atomic_load_explicit(&target->ejections[i], memory_order_relaxed);
    return info;
}

/* How a worker that looks now would choose. */
static enum gw_balance_why mood_of(const struct gw_upstream *upstream, uint64_t now_us)
{
    const struct gw_target_set *set = upstream->set;
    struct gw_balance_slot *slots = gw_alloc_zero((set->count + (size_t)1) * sizeof(*slots));
    const struct gw_balance_ask ask = { .now_us = now_us };
    enum gw_balance_why why = GW_BALANCE_NONE;
    struct gw_balance balance;

    for (unsigned i = 0; i < set->count; i++)
        slots[i] = (struct gw_balance_slot){ .weight = set->items[i].weight,
                                             .priority = set->items[i].priority,
                                             .vitals = &set->items[i].target->vitals };
    gw_balance_init(&balance, &gw_balance_random, &set->how.rules, slots, set->count, NULL);
    if (set->count)
        gw_balance_pick(&balance, &ask, &why);
    gw_balance_deinit(&balance);
    gw_free(slots);
    return why;
}

/* With the lock held. */
static void show(const struct gw_upstream *upstream, uint64_t now_us,
                 const struct gw_upstream_visitor *visitor, void *ctx)
{
    struct gw_upstream_info info = {
        .name = gw_upstream_name(upstream),
        .mood = mood_of(upstream, now_us),
        .panicked = atomic_load_explicit(&upstream->panicked, memory_order_relaxed),
        .refused = atomic_load_explicit(&upstream->panic_failed, memory_order_relaxed),
    };

    if (visitor->upstream)
        visitor->upstream(&info, ctx);
    for (unsigned i = 0; visitor->target && i < upstream->set->count; i++) {
        struct gw_target_info target = info_of(upstream, &upstream->set->items[i], now_us);

        visitor->target(&target, ctx);
    }
}

void gw_registry_upstreams(struct gw_registry *registry, uint64_t now_us,
                           const struct gw_upstream_visitor *visitor, void *ctx)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->upstreams, &at)))
        show(entry->value, now_us, visitor, ctx);
    pthread_mutex_unlock(&registry->lock);
}

void gw_upstream_look(struct gw_upstream *upstream, uint64_t now_us,
                      const struct gw_upstream_visitor *visitor, void *ctx)
{
    pthread_mutex_lock(&upstream->registry->lock);
    show(upstream, now_us, visitor, ctx);
    pthread_mutex_unlock(&upstream->registry->lock);
}

bool gw_upstream_usable(struct gw_upstream *upstream, uint64_t now_us)
{
    bool usable = false;

    pthread_mutex_lock(&upstream->registry->lock);
    for (unsigned i = 0; !usable && i < upstream->set->count; i++) {
        const struct gw_target_item *item = &upstream->set->items[i];

        usable = item->weight > 0 && gw_vitals_usable(&item->target->vitals, now_us);
    }
    pthread_mutex_unlock(&upstream->registry->lock);
    return usable;
}

static bool has_line(const struct gw_upstream *upstream)
{
    return upstream->set && gw_capacity_bounds(&upstream->set->how.capacity);
}

void gw_registry_lines(struct gw_registry *registry,
                       void (*visit)(const struct gw_line_info *info, void *ctx), void *ctx)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->upstreams, &at))) {
        const struct gw_upstream *upstream = entry->value;
        struct gw_line_info info = {
            .upstream = gw_slice(upstream->key + 2, upstream->key_len - 2),
            .active = atomic_load_explicit(&upstream->line.active, memory_order_relaxed),
            .waiting = atomic_load_explicit(&upstream->line.waiting, memory_order_relaxed),
            .full = atomic_load_explicit(&upstream->line.full, memory_order_relaxed),
            .late = atomic_load_explicit(&upstream->line.late, memory_order_relaxed),
        };

        if (!has_line(upstream))
            continue;
        info.limit = gw_place_limit(upstream, &upstream->set->how.capacity);
        info.adaptive = upstream->set->how.capacity.adaptive;
        if (info.adaptive)
            info.baseline_us = gw_adaptive_look(upstream->adaptive).baseline_us;
        visit(&info, ctx);
    }
    pthread_mutex_unlock(&registry->lock);
}
