/* From reports to moves. Reports come from all workers and from the checks; a move is told once, by
 * whoever made it. Nothing here is kept by the caller: the state is the target's (policy/vitals.h),
 * so that it stays when sets are replaced. */
#include "upstream/health.h"

#include "base/alloc.h"
#include "base/log.h"
#include "upstream/health_events.h"
#include "upstream/registry_private.h"

/* ── what a report is ──────────────────────────────────────────────────────── */

static enum gw_health_report report_of_error(enum gw_error error)
{
    if (error == GW_E_NO_TARGET || error == GW_E_BREAKER_OPEN || error == GW_E_RESOLVE ||
        error == GW_E_UPSTREAM_REFUSED || /* it drains, or has enough to do */
        gw_error_info(error)->side != GW_SIDE_UPSTREAM)
        return GW_HEALTH_NOTHING;
    return gw_error_info(error)->status == 504 ? GW_HEALTH_TIMEOUT : GW_HEALTH_TCP_FAILURE;
}

enum gw_health_report gw_health_report_of(const struct gw_health_config *config, int status,
                                          enum gw_error error)
{
    if (error)
        return report_of_error(error);
    if (status < 0 || (size_t)status >= sizeof(config->verdicts))
        return GW_HEALTH_NOTHING;
    switch ((enum gw_verdict)config->verdicts[status]) {
    case GW_VERDICT_GOOD:
        return GW_HEALTH_SUCCESS;
    case GW_VERDICT_BAD:
        return GW_HEALTH_HTTP_FAILURE;
    case GW_VERDICT_NONE:
        break;
    }
    return GW_HEALTH_NOTHING;
}

static struct gw_health_rules rules_of(const struct gw_health_config *config)
{
    return (struct gw_health_rules){ config->successes, config->http_failures, config->tcp_failures,
                                     config->timeouts };
}

/* ── telling ───────────────────────────────────────────────────────────────── */

static const char *state_text(bool down)
{
    return down ? "unhealthy" : "healthy";
}

/* Views count their candidates anew. */
static void note_move(struct gw_upstream *upstream)
{
    atomic_fetch_add_explicit(&upstream->moves, 1, memory_order_release);
}

static void start_slowly(struct gw_upstream *upstream, struct gw_target *target, uint64_t from_us)
{
    if (atomic_load_explicit(&upstream->slow_start, memory_order_relaxed))
        atomic_store_explicit(&target->vitals.ramp_from_us, from_us, memory_order_relaxed);
}

static void tell_health(struct gw_upstream *upstream, struct gw_target *target,
                        const struct gw_health_look *look, const struct gw_clock *clock)
{
    struct gw_health_event event = {
        .kind = GW_HEALTH_EVENT_HEALTH,
        .state = state_text(look->down),
        .by = gw_health_by_text(look->by),
        .why = look->report == GW_HEALTH_NOTHING ? "" : gw_health_report_text(look->report),
    };

    if (!look->down)
        start_slowly(upstream, target, clock->now_us);
    note_move(upstream);
    atomic_store_explicit(&target->moved_us, clock->wall_us, memory_order_relaxed);
    if (look->down)
        gw_warn("upstream %s: target %.*s (%.*s) is unhealthy (%s%s%s)", upstream->key + 2,
                GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text), event.by,
                *event.why ? ": " : "", event.why);
    else
        gw_notice("upstream %s: target %.*s (%.*s) is healthy (%s)", upstream->key + 2,
                  GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text), event.by);
    gw_health_event_tell(upstream, target, &event);
}

static void tell_ejected(struct gw_upstream *upstream, struct gw_target *target,
                         enum gw_ejection_why why, uint64_t lasts_us, const struct gw_clock *clock)
{
    struct gw_health_event event = {
        .kind = GW_HEALTH_EVENT_EJECTION,
        .state = "ejected",
        .by = "traffic",
        .why = gw_ejection_why_text(why),
        .lasts_us = lasts_us,
    };

    start_slowly(upstream, target, clock->now_us + lasts_us);
    note_move(upstream);
    atomic_store_explicit(&target->moved_us, clock->wall_us, memory_order_relaxed);
    atomic_fetch_add_explicit(&target->ejections[why], 1, memory_order_relaxed);
    gw_warn("upstream %s: target %.*s (%.*s) is ejected for %llu ms (%s)", upstream->key + 2,
            GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text),
            (unsigned long long)(lasts_us / 1000), event.why);
    gw_health_event_tell(upstream, target, &event);
}

static void tell_returned(struct gw_upstream *upstream, struct gw_target *target, const char *by,
                          const struct gw_clock *clock)
{
    struct gw_health_event event = {
        .kind = GW_HEALTH_EVENT_EJECTION,
        .state = "returned",
        .by = by,
        .why = "",
    };

    note_move(upstream);
    atomic_store_explicit(&target->moved_us, clock->wall_us, memory_order_relaxed);
    gw_notice("upstream %s: target %.*s (%.*s) is back from its ejection (%s)", upstream->key + 2,
              GW_SLICE_ARG(target->authority), GW_SLICE_ARG(target->text), by);
    gw_health_event_tell(upstream, target, &event);
}

/* ── ejection ──────────────────────────────────────────────────────────────── */

/* Those of the upstream that take part, as the policy wants them; with the registry's lock held. */
struct field {
    struct gw_ejection **all; /* owned */
    struct gw_target **targets;
    unsigned count;
};

static struct field field_of(const struct gw_upstream *upstream)
{
    const struct gw_target_set *set = upstream->set;
    size_t room = set->count ? set->count : 1;
    struct field field = {
        .all = gw_alloc(room * sizeof(*field.all)),
        .targets = gw_alloc(room * sizeof(*field.targets)),
    };

    for (unsigned i = 0; i < set->count; i++) {
        if (set->items[i].weight == 0)
            continue;
        field.all[field.count] = &set->items[i].target->vitals.ejection;
        field.targets[field.count++] = set->items[i].target;
    }
    return field;
}

static void free_field(struct field *field)
{
    gw_free(field->all);
    gw_free(field->targets);
}

static uint64_t eject_locked(const struct gw_upstream *upstream, const struct gw_target *target,
                             const struct gw_ejection_rules *rules, enum gw_ejection_why why,
                             uint64_t now_us)
{
    struct field field = field_of(upstream);
    uint64_t lasts_us = 0;

    for (unsigned i = 0; i < field.count; i++)
        if (field.targets[i] == target)
            lasts_us = gw_ejection_eject(field.all, field.count, i, rules, why, now_us);
    free_field(&field);
    return lasts_us;
}

static void eject(struct gw_upstream *upstream, struct gw_target *target,
                  const struct gw_health_plan *plan, enum gw_ejection_why why,
                  const struct gw_clock *clock)
{
    pthread_mutex_lock(&upstream->registry->lock);

    uint64_t lasts_us = eject_locked(upstream, target, &plan->ejection, why, clock->now_us);

    pthread_mutex_unlock(&upstream->registry->lock);
    if (lasts_us)
        tell_ejected(upstream, target, why, lasts_us, clock);
}

static uint64_t next_return(const struct field *field)
{
    uint64_t next = 0;

    for (unsigned i = 0; i < field->count; i++) {
        uint64_t until = atomic_load_explicit(&field->all[i]->until_us, memory_order_relaxed);

        if (until && (!next || until < next))
            next = until;
    }
    return next;
}

static void tell_verdicts(struct gw_upstream *upstream, const struct field *field,
                          const enum gw_ejection_why *verdicts, const struct gw_clock *clock)
{
    for (unsigned i = 0; i < field->count; i++) {
        uint64_t until = atomic_load_explicit(&field->all[i]->until_us, memory_order_relaxed);

        if (verdicts[i] == GW_EJECTION_RETURN)
            tell_returned(upstream, field->targets[i], "time", clock);
        else if (verdicts[i] != GW_EJECTION_NONE)
            tell_ejected(upstream, field->targets[i], verdicts[i],
                         until > clock->now_us ? until - clock->now_us : 0, clock);
    }
}

uint64_t gw_health_sweep(struct gw_upstream *upstream, bool rates, const struct gw_clock *clock)
{
    pthread_mutex_lock(&upstream->registry->lock);

    const struct gw_health_plan *plan = upstream->set->how.health;
    struct field field = field_of(upstream);
    size_t size = (field.count + (size_t)1) * sizeof(enum gw_ejection_why);
    enum gw_ejection_why *verdicts = gw_alloc(size);

    gw_ejection_returns(field.all, field.count, clock->now_us, verdicts);
    tell_verdicts(upstream, &field, verdicts, clock);
    if (rates && plan && plan->ejects) {
        gw_ejection_sweep(field.all, field.count, &plan->ejection, clock->now_us, verdicts);
        tell_verdicts(upstream, &field, verdicts, clock);
    }

    uint64_t next = next_return(&field);

    pthread_mutex_unlock(&upstream->registry->lock);
    free_field(&field);
    gw_free(verdicts);
    return next;
}

/* ── traffic ───────────────────────────────────────────────────────────────── */

static enum gw_ejection_report ejection_report(int status, enum gw_error error)
{
    if (error || (status >= 502 && status <= 504))
        return GW_EJECTION_GATEWAY_FAILURE;
    return status >= 500 && status < 600 ? GW_EJECTION_FAILURE : GW_EJECTION_GOOD;
}

void gw_health_learn(struct gw_upstream *upstream, const struct gw_target_set *set, unsigned index,
                     int status, enum gw_error error, const struct gw_clock *clock)
{
    const struct gw_health_plan *plan = set->how.health;
    struct gw_target *target = set->items[index].target;
    struct gw_health_look look;

    if (error && report_of_error(error) == GW_HEALTH_NOTHING)
        return;
    if (plan->passive) {
        struct gw_health_rules rules = rules_of(plan->passive);

        if (gw_health_note(&target->vitals.health, &rules,
                           gw_health_report_of(plan->passive, status, error), GW_HEALTH_BY_TRAFFIC,
                           &look))
            tell_health(upstream, target, &look, clock);
    }
    if (!plan->ejects)
        return;

    enum gw_ejection_why why =
        gw_ejection_note(&target->vitals.ejection, &plan->ejection, ejection_report(status, error));

    if (why != GW_EJECTION_NONE)
        eject(upstream, target, plan, why, clock);
}

/* ── checks ────────────────────────────────────────────────────────────────── */

void gw_health_checked(struct gw_upstream *upstream, const struct gw_health_plan *plan,
                       struct gw_target *target, enum gw_health_report report,
                       const struct gw_clock *clock)
{
    struct gw_health_rules rules = rules_of(&plan->check->counts);
    struct gw_health_look look;
    bool first = report == GW_HEALTH_SUCCESS && !target->passed;

    atomic_fetch_add_explicit(&target->checks[report], 1, memory_order_relaxed);
    if (gw_health_note(&target->vitals.health, &rules, report, GW_HEALTH_BY_CHECK, &look))
        tell_health(upstream, target, &look, clock);
    else if (first) /* it was in use from the beginning */
        start_slowly(upstream, target, clock->now_us);
    target->passed = target->passed || first;
    if (report == GW_HEALTH_SUCCESS && plan->ejects && plan->ejection.returns_with_checks &&
        gw_ejection_is(&target->vitals.ejection, clock->now_us)) {
        gw_ejection_end(&target->vitals.ejection, clock->now_us);
        start_slowly(upstream, target, clock->now_us);
        tell_returned(upstream, target, "check", clock);
    }
}

void gw_health_forget(struct gw_upstream *upstream, struct gw_target *target, bool passive,
                      const struct gw_clock *clock)
{
    struct gw_health_look look = gw_health_look(&target->vitals.health);

    if (!look.down || (passive && look.by == GW_HEALTH_BY_TRAFFIC) ||
        look.by == GW_HEALTH_BY_OPERATOR)
        return;
    gw_health_set(&target->vitals.health, false, GW_HEALTH_BY_NOBODY);
    look = gw_health_look(&target->vitals.health);
    tell_health(upstream, target, &look, clock);
}

/* ── the operator ──────────────────────────────────────────────────────────── */

/* "host:port" as configured, "host" where the port is 80, or the address. */
static bool is_called(const struct gw_target *target, struct gw_slice text)
{
    const struct gw_slice port = GW_SLICE(":80");

    if (gw_slice_equal(text, target->authority) || gw_slice_equal(text, target->text))
        return true;
    return text.len == target->authority.len + port.len &&
           gw_slice_starts_with(text, target->authority) &&
           gw_slice_equal(gw_slice_skip(text, target->authority.len), port);
}

static void order(struct gw_upstream *upstream, struct gw_target *target, bool down,
                  const struct gw_clock *clock)
{
    struct gw_health_look look;

    if (!down && gw_ejection_is(&target->vitals.ejection, clock->now_us)) {
        gw_ejection_end(&target->vitals.ejection, clock->now_us);
        start_slowly(upstream, target, clock->now_us);
        tell_returned(upstream, target, "operator", clock);
    }
    if (!gw_health_set(&target->vitals.health, down, GW_HEALTH_BY_OPERATOR))
        return;
    look = gw_health_look(&target->vitals.health);
    tell_health(upstream, target, &look, clock);
}

int gw_registry_order_health(struct gw_registry *registry, struct gw_slice name,
                             struct gw_slice target, bool down, const struct gw_clock *clock)
{
    struct gw_map_entry *entry;
    size_t at = 0;
    int found = -1;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->upstreams, &at))) {
        struct gw_upstream *upstream = entry->value;

        if (upstream->key[0] != 'u' || !gw_slice_equal(gw_upstream_name(upstream), name))
            continue;
        found = 0;
        for (unsigned i = 0; i < upstream->set->count; i++) {
            if (!is_called(upstream->set->items[i].target, target))
                continue;
            order(upstream, upstream->set->items[i].target, down, clock);
            found++;
        }
    }
    pthread_mutex_unlock(&registry->lock);
    return found;
}
