/* Keeps the names of all upstreams resolved, on one loop (control's). Each name is asked for again
 * when its TTL is over, a little early and never at the same moment as the others; while the server
 * fails, the last good answer stays. */
#include "base/alloc.h"
#include "base/log.h"
#include "net/locate.h"
#include "net/resolver.h"
#include "upstream/checks.h"
#include "upstream/registry_private.h"

#include <stdlib.h>

#define RETRY_MIN_US 1000000ull
#define RETRY_MAX_US 30000000ull
#define AGAIN_MIN_US 100000ull /* the least that dns.min_ttl may say */

/* ── in use or not, with the lock held ─────────────────────────────────────── */

/* "name", or "srv name" of services. */
struct gw_name *gw_name_use(struct gw_registry *registry, struct gw_slice host, bool services)
{
    const struct gw_slice mark = GW_SLICE("srv ");
    size_t before = services ? mark.len : 0;
    char *key = gw_alloc(before + host.len + 1);

    memcpy(key, mark.ptr, before);
    memcpy(key + before, host.ptr, host.len);
    key[before + host.len] = '\0';

    struct gw_name *name = gw_map_get(&registry->names, gw_slice_from(key));

    if (name) {
        gw_free(key);
    } else {
        name = gw_alloc_zero(sizeof(*name));
        name->registry = registry;
        name->key = key;
        name->host = key + before;
        name->services = services;
        gw_map_put(&registry->names, gw_slice_from(key), name);
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

/* What a question found; `places` is owned, NULL where it found nothing. */
struct found {
    struct gw_name_place *places;
    unsigned count;
    uint64_t ttl_us;
    bool gone, stale;
};

static void free_places(struct gw_name_place *places, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        gw_free(places[i].host);
    gw_free(places);
}

static int compare_addresses(const struct gw_addr *a, const struct gw_addr *b)
{
    unsigned char bytes[2][16];
    size_t len = gw_addr_ip_bytes(a, bytes[0]), other = gw_addr_ip_bytes(b, bytes[1]);

    if (len != other)
        return len < other ? -1 : 1;
    if (gw_addr_port(a) != gw_addr_port(b))
        return gw_addr_port(a) < gw_addr_port(b) ? -1 : 1;
    return memcmp(bytes[0], bytes[1], len);
}

/* By priority; those of one priority in an order that does not depend on the server's. */
static int compare_places(const void *one, const void *other)
{
    const struct gw_name_place *a = one, *b = other;
    int by_host;

    if (a->priority != b->priority)
        return a->priority < b->priority ? -1 : 1;
    by_host = a->host && b->host ? strcmp(a->host, b->host) : 0;
    if (by_host != 0)
        return by_host;
    if (a->weight != b->weight)
        return a->weight < b->weight ? -1 : 1;
    return compare_addresses(&a->addr, &b->addr);
}

static bool same_places(const struct gw_name *name, const struct found *found)
{
    if (name->place_count != found->count)
        return false;
    for (unsigned i = 0; i < found->count; i++)
        if (compare_places(&name->places[i], &found->places[i]) != 0)
            return false;
    return true;
}

static bool uses(const struct gw_upstream *upstream, const struct gw_name *name)
{
    for (unsigned i = 0; i < upstream->spec_count; i++)
        if (upstream->specs[i].name == name)
            return true;
    return false;
}

/* Takes the places over; none where the name has no addresses any more. */
static void take_places(struct gw_name *name, struct gw_name_place *places, unsigned count)
{
    struct gw_registry *registry = name->registry;
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    free_places(name->places, name->place_count);
    name->places = places;
    name->place_count = count;
    while ((entry = gw_map_next(&registry->upstreams, &at)))
        if (uses(entry->value, name))
            gw_upstream_publish(entry->value, NULL);
    gw_registry_post_sync(registry); /* there are others to be checked */
    pthread_mutex_unlock(&registry->lock);
}

static uint64_t next_delay(struct gw_name *name, const struct found *found)
{
    struct gw_random *random = &name->registry->loop->random;
    uint64_t delay = found->ttl_us > AGAIN_MIN_US ? found->ttl_us : AGAIN_MIN_US;

    if (name->failures)
        delay = RETRY_MIN_US << (name->failures < 5 ? name->failures - 1 : 5);
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

/* An empty answer may be a mistake of the server, or a moment of a deployment: it is believed when
 * it was given often and for long enough. */
static void note_empty(struct gw_name *name)
{
    struct gw_registry *registry = name->registry;
    uint64_t now_us = registry->loop->clock.now_us;

    if (name->empties++ == 0)
        name->empty_since_us = now_us;
    pthread_mutex_lock(&registry->lock);
    bool believed = name->empties >= registry->empty_answers &&
                    now_us - name->empty_since_us >= registry->empty_hold_us;
    pthread_mutex_unlock(&registry->lock);
    if (!believed || name->place_count == 0)
        return;
    gw_warn("upstream: %s has no addresses any more: calls to it fail until it has", name->host);
    take_places(name, NULL, 0);
}

static void note_failure(struct gw_name *name)
{
    if (++name->failures == 1)
        gw_warn("upstream: %s does not resolve: %s", name->host,
                name->place_count
                    ? "the last good answer stays in use"
                    : "calls to it fail until it does (check the name and the resolver)");
}

static void take_answer(struct gw_name *name, struct found *found)
{
    struct gw_registry *registry = name->registry;

    name->answered = true;
    if (found->count > 0) {
        qsort(found->places, found->count, sizeof(*found->places), compare_places);
        if (same_places(name, found))
            free_places(found->places, found->count);
        else
            take_places(name, found->places, found->count);
    }
    if (found->count > 0 && !found->stale && name->failures > 0)
        gw_notice("upstream: %s resolves again", name->host);
    if (found->count > 0 && !found->stale)
        name->failures = 0;
    else
        note_failure(name);
    if (found->gone)
        note_empty(name);
    else
        name->empties = 0;
    gw_timer_start(registry->loop, &name->timer, next_delay(name, found), on_timer);
    if (name->first) {
        name->first = false;
        registry->first_left--;
        tell_first(registry);
    }
}

static void on_addresses(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_name *name = ctx;
    struct found found = {
        .count = answer->count,
        .ttl_us = (uint64_t)answer->ttl_ms * 1000,
        .gone = error && answer->gone,
        .stale = answer->stale,
    };

    name->resolve = NULL;
    if (found.count > 0)
        found.places = gw_alloc_zero(found.count * sizeof(*found.places));
    for (unsigned i = 0; i < found.count; i++)
        found.places[i] = (struct gw_name_place){ .addr = answer->addrs[i], .weight = 1 };
    take_answer(name, &found);
}

/* Records of weight 0 have "a very small chance" (RFC 2782): the smallest that there is, and an
 * equal one where all have it. */
static void on_services(void *ctx, const struct gw_located *answer, enum gw_error error)
{
    struct gw_name *name = ctx;
    struct found found = {
        .count = answer->count,
        .ttl_us = answer->ttl_us,
        .gone = error && answer->gone,
        .stale = answer->stale,
    };

    name->locate = NULL;
    if (found.count > 0)
        found.places = gw_alloc_zero(found.count * sizeof(*found.places));
    for (unsigned i = 0; i < found.count; i++) {
        const struct gw_place *place = &answer->places[i];

        found.places[i] =
            (struct gw_name_place){ .addr = place->addr,
                                    .weight = place->weight ? place->weight : 1,
                                    .priority = place->priority,
                                    .host = gw_strndup(place->host, strlen(place->host)) };
    }
    take_answer(name, &found);
}

static void ask(struct gw_name *name)
{
    struct gw_loop *loop = name->registry->loop;

    if (name->services)
        name->locate = gw_locate_start(loop, name->host, on_services, name);
    else
        name->resolve = gw_resolve_refresh(loop, name->host, 0, on_addresses, name);
}

/* ── which names there are ─────────────────────────────────────────────────── */

static void rest(struct gw_name *name)
{
    gw_timer_stop(&name->timer);
    if (name->resolve)
        gw_resolve_cancel(name->resolve);
    name->resolve = NULL;
    if (name->locate)
        gw_locate_cancel(name->locate);
    name->locate = NULL;
    if (name->first)
        name->registry->first_left--;
    name->first = name->started = name->answered = false;
}

void gw_name_free(struct gw_name *name)
{
    rest(name);
    free_places(name->places, name->place_count);
    gw_free(name->key);
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
        gw_map_remove(&registry->names, gw_slice_from(name->key));
        gw_name_free(name);
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

void gw_registry_names(struct gw_registry *registry,
                       void (*visit)(const struct gw_name_info *info, void *ctx), void *ctx)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->names, &at))) {
        const struct gw_name *name = entry->value;

        visit(&(struct gw_name_info){ .host = name->host,
                                      .services = name->services,
                                      .addresses = name->place_count,
                                      .stale = name->failures > 0 },
              ctx);
    }
    pthread_mutex_unlock(&registry->lock);
}
