#include "upstream/complaints.h"

#include "base/log.h"
#include "upstream/registry_private.h"

/* ── targets ───────────────────────────────────────────────────────────────── */

/* One worker says it, the others count. */
static bool is_due(struct gw_target *target, uint64_t now_us)
{
    unsigned long long said_us = atomic_load_explicit(&target->complained_us, memory_order_relaxed);

    if (said_us && now_us < said_us + GW_COMPLAINT_EVERY_US)
        return false;
    return atomic_compare_exchange_strong_explicit(&target->complained_us, &said_us, now_us,
                                                   memory_order_relaxed, memory_order_relaxed);
}

void gw_target_complain(struct gw_upstream *upstream, struct gw_target *target, enum gw_error why,
                        uint64_t now_us)
{
    struct gw_slice name = gw_upstream_name(upstream);
    unsigned unsaid;

    if (gw_error_info(why)->side != GW_SIDE_UPSTREAM)
        return;
    if (!is_due(target, now_us)) {
        atomic_fetch_add_explicit(&target->unsaid, 1, memory_order_relaxed);
        return;
    }
    unsaid = atomic_exchange_explicit(&target->unsaid, 0, memory_order_relaxed);
    if (unsaid)
        gw_warn("upstream %.*s: target %.*s (%.*s): %s (and %u more failures since the last line)",
                GW_SLICE_ARG(name), GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text),
                gw_error_info(why)->text, unsaid);
    else
        gw_warn("upstream %.*s: target %.*s (%.*s): %s", GW_SLICE_ARG(name),
                GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text),
                gw_error_info(why)->text);
}

/* ── panic ─────────────────────────────────────────────────────────────────── */

static void say_mood(const struct gw_upstream *upstream, const struct gw_target_set *set,
                     enum gw_upstream_mood mood)
{
    struct gw_slice name = gw_upstream_name(upstream);

    switch (mood) {
    case GW_MOOD_FINE:
        gw_notice("upstream %.*s: enough of its targets may be used again", GW_SLICE_ARG(name));
        return;
    case GW_MOOD_PANIC:
        gw_warn("upstream %.*s: panic: less than %u %% of its weight may be used, so all its "
                "targets share the traffic",
                GW_SLICE_ARG(name), set->how.rules.panic_threshold);
        return;
    case GW_MOOD_REFUSES:
        gw_warn("upstream %.*s: too few of its targets may be used: requests get 503",
                GW_SLICE_ARG(name));
        return;
    }
}

void gw_note_mood(struct gw_upstream *upstream, const struct gw_target_set *set,
                  enum gw_balance_why why)
{
    enum gw_upstream_mood mood = why == GW_BALANCE_PANIC  ? GW_MOOD_PANIC
                                 : why == GW_BALANCE_NONE ? GW_MOOD_REFUSES
                                                          : GW_MOOD_FINE;

    if (atomic_load_explicit(&upstream->mood, memory_order_relaxed) == (unsigned)mood)
        return;
    if (atomic_exchange_explicit(&upstream->mood, mood, memory_order_relaxed) != (unsigned)mood)
        say_mood(upstream, set, mood);
}
