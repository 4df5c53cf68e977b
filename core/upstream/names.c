/* Keeps the names of all upstreams resolved, on one loop (control's). Each name is asked for again
 * when its TTL is over, a little early and never at the same moment as the others; while the server
 * fails, the last good answer stays. */
#include "base/alloc.h"
#include "base/log.h"
#include "net/resolver.h"
#include "upstream/checks.h"
#include "upstream/registry_private.h"

#define RETRY_MIN_US 1000000ull
#define RETRY_MAX_US 30000000ull

/* ── in use or not, with the lock held ─────────────────────────────────────── */

struct gw_name *gw_name_use(struct gw_registry *registry, struct gw_slice host)
{
    struct gw_name *name = gw_map_get(&registry->names, host);

    if (!name) {
        name = gw_alloc_zero(sizeof(*name));
        name->registry = registry;
        name->host = gw_strndup(host.ptr, host.len);
        gw_map_put(&registry->names, gw_slice(name->host, host.len), name);
    }
    name->users++;
    return name;
}

/* It is the loop's to free: a question may be under way. */
void gw_name_drop(struct gw_name *name)
{
    GW_ASSERT(name->users > 0);
    name->users--;
}

/* ── asking ────────────────────────────────────────────────────────────────── */

static void ask(struct gw_name *name);

static void on_timer(struct gw_timer *timer)
{
    ask(container_of(timer, struct gw_name, timer));
}

static bool same_addresses(const struct gw_name *name, const struct gw_resolved *answer)
{
    if (name->addr_count != answer->count)
        return false;
    for (unsigned i = 0; i < answer->count; i++) {
        unsigned k = 0;

        while (k < name->addr_count && !gw_addr_equal(&name->addrs[k], &answer->addrs[i]))
            k++;
        if (k == name->addr_count)
            return false;
    }
    return true;
}

static bool uses(const struct gw_upstream *upstream, const struct gw_name *name)
{
    for (unsigned i = 0; i < upstream->spec_count; i++)
        if (upstream->specs[i].name == name)
            return true;
    return false;
}

static void take_answer(struct gw_name *name, const struct gw_resolved *answer)
{
    struct gw_registry *registry = name->registry;
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    gw_free(name->addrs);
    name->addrs = gw_alloc(answer->count * sizeof(*name->addrs));
    memcpy(name->addrs, answer->addrs, answer->count * sizeof(*name->addrs));
    name->addr_count = answer->count;
    while ((entry = gw_map_next(&registry->upstreams, &at)))
        if (uses(entry->value, name))
            gw_upstream_publish(entry->value, NULL);
    gw_registry_post_sync(registry); /* there are others to be checked */
    pthread_mutex_unlock(&registry->lock);
}

static uint64_t next_delay(struct gw_name *name, const struct gw_resolved *answer)
{
    struct gw_random *random = &name->registry->loop->random;
    uint64_t delay = answer && !answer->stale ? (uint64_t)answer->ttl_ms * 1000 : RETRY_MIN_US;

    if (name->failures)
        delay = RETRY_MIN_US << (name->failures < 5 ? name->failures - 1 : 5);
    if (delay < RETRY_MIN_US)
        delay = RETRY_MIN_US;
    if (name->failures && delay > RETRY_MAX_US)
        delay = RETRY_MAX_US;
    return delay - gw_random_below(random, delay / 8 + 1);
}

static void tell_first(struct gw_registry *registry)
{
    if (registry->first_left > 0 || registry->first_told)
        return;
    registry->first_told = true;
    if (registry->first_done)
        registry->first_done(registry->first_ctx);
}

static void on_answer(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_name *name = ctx;
    struct gw_registry *registry = name->registry;
    bool good = !error && answer && answer->count > 0;

    name->resolve = NULL;
    name->answered = true;
    if (good && !same_addresses(name, answer))
        take_answer(name, answer);
    name->failures = good && !answer->stale ? 0 : name->failures + 1;
    if (name->failures == 1)
        gw_warn("upstream: %s does not resolve: %s", name->host,
                name->addr_count
                    ? "the last good answer stays in use"
                    : "calls to it fail until it does (check the name and the resolver)");
    gw_timer_start(registry->loop, &name->timer, next_delay(name, good ? answer : NULL), on_timer);
    if (name->first) {
        name->first = false;
        registry->first_left--;
        tell_first(registry);
    }
}

static void ask(struct gw_name *name)
{
    name->resolve = gw_resolve_start(name->registry->loop, name->host, 0, on_answer, name);
}

/* ── which names there are ─────────────────────────────────────────────────── */

static void rest(struct gw_name *name)
{
    gw_timer_stop(&name->timer);
    if (name->resolve)
        gw_resolve_cancel(name->resolve);
    name->resolve = NULL;
    if (name->first)
        name->registry->first_left--;
    name->first = name->started = name->answered = false;
}

static void free_name(struct gw_name *name)
{
    rest(name);
    gw_free(name->addrs);
    gw_free(name->host);
    gw_free(name);
}

static struct gw_name *next_unused(struct gw_registry *registry)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    while ((entry = gw_map_next(&registry->names, &at)))
        if (((struct gw_name *)entry->value)->users == 0)
            return entry->value;
    return NULL;
}

/* Lets go of the names nobody uses any more and starts asking for new ones. */
static void look_after_names(struct gw_registry *registry, bool await)
{
    struct gw_map_entry *entry;
    struct gw_name *name;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((name = next_unused(registry))) {
        gw_map_remove(&registry->names, gw_slice_from(name->host));
        free_name(name);
    }
    while ((entry = gw_map_next(&registry->names, &at))) {
        name = entry->value;
        if (await && !name->answered && !name->first) {
            name->first = true;
            registry->first_left++;
        }
        if (name->started)
            continue;
        name->started = true;
        ask(name); /* calls back later only, so the lock is free again by then */
    }
    pthread_mutex_unlock(&registry->lock);
    if (!await) /* what was waited for may have been let go */
        tell_first(registry);
}

static void on_sync(struct gw_message *message, struct gw_loop *loop)
{
    struct gw_registry *registry = container_of(message, struct gw_registry, sync);
    bool ours;

    /* Only here: as long as the message is in the mailbox it must not be posted again. */
    pthread_mutex_lock(&registry->lock);
    registry->sync_posted = false;
    ours = registry->loop == loop;
    pthread_mutex_unlock(&registry->lock);
    if (!ours)
        return;
    gw_checks_sync(registry->checks); /* first: it lets go of names, too */
    look_after_names(registry, false);
}

void gw_registry_post_sync(struct gw_registry *registry)
{
    if (!registry->loop || registry->sync_posted)
        return;
    registry->sync_posted = true;
    registry->sync = (struct gw_message){ .deliver = on_sync };
    gw_loop_post(registry->loop, &registry->sync);
}

static void on_first_defer(struct gw_defer *defer)
{
    tell_first(container_of(defer, struct gw_registry, first_defer));
}

void gw_registry_run(struct gw_registry *registry, struct gw_loop *loop,
                     void (*first_done)(void *ctx), void *ctx)
{
    GW_ASSERT(!registry->loop || registry->loop == loop);
    pthread_mutex_lock(&registry->lock);
    registry->loop = loop;
    pthread_mutex_unlock(&registry->lock);
    registry->first_done = first_done;
    registry->first_ctx = ctx;
    registry->first_told = false;
    gw_health_events_open(&registry->events, loop);
    if (!registry->checks)
        registry->checks = gw_checks_start(registry, loop);
    gw_checks_sync(registry->checks);
    look_after_names(registry, true);
    if (registry->first_left == 0)
        gw_loop_defer(loop, &registry->first_defer, on_first_defer);
}

void gw_registry_stop(struct gw_registry *registry)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    if (!registry->loop)
        return;
    gw_defer_cancel(&registry->first_defer);
    gw_health_events_open(&registry->events, NULL);
    gw_checks_stop(registry->checks);
    registry->checks = NULL;
    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->names, &at)))
        rest(entry->value);
    registry->loop = NULL;
    pthread_mutex_unlock(&registry->lock);
}
