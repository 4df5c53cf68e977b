/* When each target is checked. A group stands for an upstream and follows what is published of it;
 * a check stands for a target and has one timer:
 *
 *     (random part of an interval) → due → [waits for a place] → under way → (the interval) → due …
 *
 * The first one comes at a random time within the interval, and each interval is a little longer or
 * shorter, so that checks of many targets do not march in step. */
#include "upstream/checks_private.h"

#include "base/alloc.h"
#include "upstream/registry_private.h"

#define JITTER 10               /* a tenth of the interval, around it */
#define FIRST_MAX_US 1000000ull /* until the first check of a target that waits for it */
#define REST_MIN_US 1000ull

static void place_timer(struct gw_check *check, uint64_t delay_us);
static void start_waiting(struct gw_checks *checks);

static uint64_t now(const struct gw_checks *checks)
{
    return checks->loop->clock.now_us;
}

static const struct gw_check_config *config_of(const struct gw_check_group *group)
{
    return group->set->how.health ? group->set->how.health->check : NULL;
}

/* ── one check ─────────────────────────────────────────────────────────────── */

/* Of the state the target is in; where that is not checked, the other one's: it may have changed by
 * then. */
static uint64_t interval_of(const struct gw_check *check, bool *due)
{
    const struct gw_check_config *config = config_of(check->group);
    bool down = gw_health_down(&check->target->vitals.health);
    uint64_t own = down ? config->unhealthy_interval_us : config->healthy_interval_us;

    *due = own > 0 || gw_health_unchecked(&check->target->vitals.health);
    return own ? own : config->healthy_interval_us + config->unhealthy_interval_us;
}

static uint64_t with_jitter(struct gw_checks *checks, uint64_t interval_us)
{
    uint64_t part = interval_us / JITTER;

    return interval_us - part / 2 + gw_random_below(&checks->loop->random, part + 1);
}

static void end_run(struct gw_check *check)
{
    if (!check->kind)
        return;
    check->kind->end(check);
    check->kind = NULL;
    gw_health_plan_unref(check->plan);
    check->plan = NULL;
    check->group->running--;
    check->group->checks->running--;
}

void gw_check_done(struct gw_check *check, enum gw_health_report report)
{
    struct gw_checks *checks = check->group->checks;
    struct gw_health_plan *plan = gw_health_plan_ref(check->plan);
    bool due;

    end_run(check);
    gw_health_checked(check->group->upstream, plan, check->target, report, &checks->loop->clock);
    gw_health_plan_unref(plan);

    uint64_t interval_us = with_jitter(checks, interval_of(check, &due));
    uint64_t took_us = now(checks) - check->started_us;

    place_timer(check, interval_us > took_us + REST_MIN_US ? interval_us - took_us : REST_MIN_US);
    start_waiting(checks);
}

static void on_slow(struct gw_timer *timer)
{
    gw_check_done(container_of(timer, struct gw_check, timer), GW_HEALTH_TIMEOUT);
}

static bool has_place(const struct gw_check_group *group)
{
    return group->running < config_of(group)->concurrency &&
           group->checks->running < GW_CHECKS_AT_ONCE;
}

static void start(struct gw_check *check)
{
    static const struct gw_check_kind *const kinds[] = { [GW_CHECK_HTTP] = &gw_check_http,
                                                         [GW_CHECK_TCP] = &gw_check_tcp,
                                                         [GW_CHECK_GRPC] = &gw_check_grpc };
    struct gw_check_group *group = check->group;

    check->plan = gw_health_plan_ref(group->set->how.health);
    check->kind = kinds[check->plan->check->type];
    check->started_us = now(group->checks);
    group->running++;
    group->checks->running++;
    gw_timer_start(group->checks->loop, &check->timer, check->plan->check->timeout_us, on_slow);
    check->kind->start(check);
}

static void on_due(struct gw_timer *timer)
{
    struct gw_check *check = container_of(timer, struct gw_check, timer);
    bool due;
    uint64_t interval_us = interval_of(check, &due);

    if (!due)
        place_timer(check, with_jitter(check->group->checks, interval_us));
    else if (has_place(check->group))
        start(check);
    else
        gw_list_append(&check->group->waiting, &check->in_waiting);
}

static void place_timer(struct gw_check *check, uint64_t delay_us)
{
    gw_timer_start(check->group->checks->loop, &check->timer, delay_us, on_due);
}

/* Those that are due and found no place, in the order they came. */
static void start_waiting(struct gw_checks *checks)
{
    GW_LIST_EACH(&checks->groups, node) {
        struct gw_check_group *group = container_of(node, struct gw_check_group, node);
        struct gw_list_node *first;

        while ((first = gw_list_first(&group->waiting)) && has_place(group)) {
            gw_list_remove(first);
            start(container_of(first, struct gw_check, in_waiting));
        }
    }
}

/* ── which targets ─────────────────────────────────────────────────────────── */

static uint64_t first_delay(const struct gw_check *check)
{
    struct gw_checks *checks = check->group->checks;
    bool due;
    uint64_t interval_us = interval_of(check, &due);

    if (gw_health_unchecked(&check->target->vitals.health) && interval_us > FIRST_MAX_US)
        interval_us = FIRST_MAX_US;
    return gw_random_below(&checks->loop->random, interval_us + 1);
}

static void begin(struct gw_check_group *group, struct gw_target *target)
{
    struct gw_check *check = gw_alloc_zero(sizeof(*check));

    check->group = group;
    check->target = gw_target_ref(target);
    target->check = check;
    gw_list_append(&group->all, &check->in_group);
    place_timer(check, first_delay(check));
}

/* The report of one that is under way does not matter any more. */
static void end(struct gw_check *check)
{
    end_run(check);
    gw_timer_stop(&check->timer);
    if (gw_list_linked(&check->in_waiting))
        gw_list_remove(&check->in_waiting);
    gw_list_remove(&check->in_group);
    check->target->check = NULL;
    gw_target_unref(check->target);
    gw_free(check);
}

/* A state that ends sooner by the new rules, or since the target moved, is not slept through. */
static void hurry(struct gw_check *check)
{
    uint64_t now_us = now(check->group->checks);
    bool due;
    uint64_t interval_us = interval_of(check, &due);

    if (check->kind || !gw_timer_running(&check->timer))
        return;
    if (check->timer.due_us > now_us + interval_us + interval_us / JITTER)
        place_timer(check, with_jitter(check->group->checks, interval_us));
}

static void hurry_all(struct gw_check_group *group)
{
    GW_LIST_EACH(&group->all, node) {
        hurry(container_of(node, struct gw_check, in_group));
    }
}

static void end_those_gone(struct gw_check_group *group)
{
    unsigned count = config_of(group) ? group->set->count : 0;

    GW_LIST_EACH(&group->all, node) {
        container_of(node, struct gw_check, in_group)->is_wanted = false;
    }
    for (unsigned i = 0; i < count; i++) {
        struct gw_check *check = group->set->items[i].target->check;

        if (check && group->set->items[i].weight > 0)
            check->is_wanted = true;
    }
    GW_LIST_EACH(&group->all, node) {
        struct gw_check *check = container_of(node, struct gw_check, in_group);

        if (!check->is_wanted)
            end(check);
    }
}

/* What nothing of the new rules can bring back must not stay out. */
static void settle(struct gw_check_group *group)
{
    const struct gw_health_plan *plan = group->set->how.health;
    const struct gw_clock *clock = &group->checks->loop->clock;

    for (unsigned i = 0; i < group->set->count; i++) {
        struct gw_target *target = group->set->items[i].target;

        if (!plan || !plan->check)
            gw_health_forget(group->upstream, target, plan && plan->passive, clock);
        if ((!plan || !plan->ejects) && gw_ejection_end(&target->vitals.ejection, clock->now_us))
            atomic_fetch_add_explicit(&group->upstream->moves, 1, memory_order_release);
    }
}

static void begin_new(struct gw_check_group *group)
{
    const struct gw_balance_rules *rules = &group->set->how.rules;

    for (unsigned i = 0; i < group->set->count; i++) {
        struct gw_target *target = group->set->items[i].target;

        if (target->late && rules->slow_start_us) {
            atomic_store_explicit(&target->vitals.ramp_from_us, now(group->checks),
                                  memory_order_relaxed);
            target->late = false;
        }
        if (config_of(group) && !target->check && group->set->items[i].weight > 0)
            begin(group, target);
    }
}

/* ── ejections ─────────────────────────────────────────────────────────────── */

static void on_sweep(struct gw_timer *timer)
{
    struct gw_check_group *group = container_of(timer, struct gw_check_group, sweep);
    const struct gw_health_plan *plan = group->set->how.health;
    const struct gw_clock *clock = &group->checks->loop->clock;
    bool rates = plan && plan->ejects && clock->now_us >= group->rates_due_us;
    uint64_t next_us = gw_health_sweep(group->upstream, rates, clock);

    if (rates)
        group->rates_due_us = clock->now_us + plan->ejection.interval_us;
    if (plan && plan->ejects && (!next_us || group->rates_due_us < next_us))
        next_us = group->rates_due_us;
    if (next_us)
        gw_timer_start(group->checks->loop, timer,
                       next_us > clock->now_us ? next_us - clock->now_us : REST_MIN_US, on_sweep);
}

static void plan_sweep(struct gw_check_group *group)
{
    const struct gw_health_plan *plan = group->set->how.health;
    uint64_t now_us = now(group->checks);

    if (!plan || !plan->ejects) {
        gw_timer_stop(&group->sweep);
        group->rates_due_us = 0;
        return;
    }
    if (!group->rates_due_us || group->rates_due_us > now_us + plan->ejection.interval_us)
        group->rates_due_us = now_us + plan->ejection.interval_us;
    gw_timer_start(group->checks->loop, &group->sweep, REST_MIN_US, on_sweep);
}

/* ── which upstreams ───────────────────────────────────────────────────────── */

static bool needs_group(const struct gw_upstream *upstream)
{
    return upstream->group || upstream->set->how.health || upstream->set->how.rules.slow_start_us;
}

/* With the registry's lock held. */
static void follow(struct gw_checks *checks, struct gw_upstream *upstream)
{
    struct gw_check_group *group = upstream->group;

    if (!group) {
        group = upstream->group = gw_alloc_zero(sizeof(*group));
        group->checks = checks;
        group->upstream = upstream;
        gw_list_init(&group->all);
        gw_list_init(&group->waiting);
        gw_list_append(&checks->groups, &group->node);
        upstream->watched = true;
    }
    gw_target_set_unref(group->set);
    group->set = gw_target_set_ref(upstream->set);
}

static void end_group(struct gw_check_group *group)
{
    struct gw_upstream *upstream = group->upstream;
    struct gw_registry *registry = group->checks->registry;

    GW_LIST_EACH(&group->all, node) {
        end(container_of(node, struct gw_check, in_group));
    }
    gw_timer_stop(&group->sweep);
    gw_list_remove(&group->node);
    gw_target_set_unref(group->set);
    gw_free(group);
    pthread_mutex_lock(&registry->lock);
    upstream->group = NULL;
    upstream->watched = false;
    if (upstream->gone)
        gw_upstream_free(upstream);
    pthread_mutex_unlock(&registry->lock);
}

static bool is_gone(const struct gw_upstream *upstream)
{
    bool gone;

    pthread_mutex_lock(&upstream->registry->lock);
    gone = upstream->gone;
    pthread_mutex_unlock(&upstream->registry->lock);
    return gone;
}

void gw_checks_sync(struct gw_checks *checks)
{
    struct gw_registry *registry = checks->registry;
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->upstreams, &at)))
        if (needs_group(entry->value))
            follow(checks, entry->value);
    pthread_mutex_unlock(&registry->lock);
    GW_LIST_EACH(&checks->groups, node) {
        struct gw_check_group *group = container_of(node, struct gw_check_group, node);

        if (is_gone(group->upstream)) {
            end_group(group);
            continue;
        }
        end_those_gone(group);
        hurry_all(group);
        settle(group);
        begin_new(group);
        plan_sweep(group);
    }
    start_waiting(checks);
}

static void on_moved(void *ctx)
{
    struct gw_checks *checks = ctx;

    GW_LIST_EACH(&checks->groups, node) {
        struct gw_check_group *group = container_of(node, struct gw_check_group, node);

        hurry_all(group);
        plan_sweep(group);
    }
}

struct gw_checks *gw_checks_start(struct gw_registry *registry, struct gw_loop *loop)
{
    struct gw_checks *checks = gw_alloc_zero(sizeof(*checks));

    checks->registry = registry;
    checks->loop = loop;
    checks->pool = gw_pool_new(loop);
    gw_list_init(&checks->groups);
    registry->events.on_moved = on_moved;
    registry->events.moved_ctx = checks;
    return checks;
}

void gw_checks_stop(struct gw_checks *checks)
{
    if (!checks)
        return;
    checks->registry->events.on_moved = NULL;
    GW_LIST_EACH(&checks->groups, node) {
        end_group(container_of(node, struct gw_check_group, node));
    }
    gw_pool_free(checks->pool);
    gw_free(checks);
}
