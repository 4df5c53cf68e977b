/* The upstreams of the process. A configuration binds its services to them; the last configuration
 * that lets go of one frees it. Targets are found again by address, so that their counts survive a
 * reload and a changed DNS answer. */
#include "upstream/registry.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "upstream/breakers.h"
#include "upstream/health.h"
#include "upstream/registry_private.h"

/* What a configuration holds; freed with it. */
struct binding {
    struct gw_registry *registry;
    unsigned count;
    struct gw_upstream **upstreams;
    struct gw_map by_name; /* the configured ones; keys live in the configuration */
    struct gw_breaker_uses breakers;
};

struct gw_registry *gw_registry_new(void)
{
    struct gw_registry *registry = gw_alloc_zero(sizeof(*registry));

    pthread_mutex_init(&registry->lock, NULL);
    gw_random_bytes(registry->sticky_key, sizeof(registry->sticky_key));
    gw_map_init(&registry->upstreams);
    gw_map_init(&registry->breakers);
    gw_map_init(&registry->names);
    gw_health_events_init(&registry->events);
    return registry;
}

void gw_registry_free(struct gw_registry *registry)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    GW_ASSERT(registry->upstreams.count == 0 && registry->breakers.count == 0 && !registry->loop);
    while ((entry = gw_map_next(&registry->names, &at)))
        gw_name_free(entry->value);
    gw_map_deinit(&registry->names);
    gw_map_deinit(&registry->upstreams);
    gw_map_deinit(&registry->breakers);
    gw_free(registry->slots);
    gw_health_events_deinit(&registry->events);
    pthread_mutex_destroy(&registry->lock);
    gw_free(registry);
}

/* ── one upstream, with the lock held ──────────────────────────────────────── */

static unsigned take_slot(struct gw_registry *registry)
{
    unsigned slot = 0;

    while (slot < registry->slot_count && registry->slots[slot])
        slot++;
    if (slot == registry->slot_count) {
        registry->slot_count = registry->slot_count ? registry->slot_count * 2 : 16;
        registry->slots = gw_realloc(registry->slots, registry->slot_count * sizeof(bool));
        memset(registry->slots + slot, 0, (registry->slot_count - slot) * sizeof(bool));
    }
    registry->slots[slot] = true;
    return slot;
}

static struct gw_upstream *find_or_make(struct gw_registry *registry, struct gw_slice key)
{
    struct gw_upstream *upstream = gw_map_get(&registry->upstreams, key);

    if (!upstream) {
        upstream = gw_alloc_zero(sizeof(*upstream));
        upstream->registry = registry;
        upstream->key = gw_strndup(key.ptr, key.len);
        upstream->key_len = key.len;
        upstream->slot = take_slot(registry);
        upstream->serial = ++registry->serials;
        gw_line_init(&upstream->line);
        gw_map_put(&registry->upstreams, gw_slice(upstream->key, key.len), upstream);
    }
    upstream->users++;
    return upstream;
}

void gw_upstream_free(struct gw_upstream *upstream)
{
    gw_specs_drop(upstream);
    gw_target_set_unref(upstream->set);
    gw_line_deinit(&upstream->line);
    if (upstream->adaptive)
        gw_adaptive_deinit(upstream->adaptive);
    gw_free(upstream->adaptive);
    gw_free(upstream->key);
    gw_free(upstream);
}

static void drop_user(struct gw_upstream *upstream)
{
    if (--upstream->users > 0)
        return;
    gw_map_remove(&upstream->registry->upstreams, gw_slice(upstream->key, upstream->key_len));
    upstream->registry->slots[upstream->slot] = false;
    upstream->gone = true;
    if (!upstream->watched)
        gw_upstream_free(upstream);
}

struct gw_target_set *gw_upstream_set(struct gw_upstream *upstream, uint64_t *version)
{
    pthread_mutex_lock(&upstream->registry->lock);

    struct gw_target_set *set = gw_target_set_ref(upstream->set);

    *version = atomic_load_explicit(&upstream->version, memory_order_relaxed);
    pthread_mutex_unlock(&upstream->registry->lock);
    return set;
}

/* ── binding a configuration ───────────────────────────────────────────────── */

static void prepare_capacity(struct gw_upstream *upstream, const struct gw_capacity *capacity)
{
    if (!capacity->adaptive || upstream->adaptive)
        return;
    upstream->adaptive = gw_alloc_zero(sizeof(*upstream->adaptive));
    gw_adaptive_init(upstream->adaptive);
}

static struct gw_balancing balancing(const struct gw_registry *registry,
                                     const struct gw_upstream_config *config)
{
    struct gw_balancing how = {
        .algorithm = config->algorithm,
        .rules = gw_balance_defaults,
        .hash = { config->hash[0], config->hash[1] },
        .cookie_path = config->cookie_path,
        .host_header = config->host_header,
        .capacity = config->capacity,
        .own_host = true,
        .sticky = { .cookie = config->sticky.cookie,
                    .attributes = config->sticky.attributes,
                    .key = config->sticky.key },
    };

    if (how.sticky.key.len == 0)
        how.sticky.key = gw_slice(registry->sticky_key, sizeof(registry->sticky_key));
    if (config->hash_slots)
        how.rules.hash_slots = config->hash_slots;
    how.rules.hash_factor = config->hash_balance_factor;
    how.rules.panic_threshold = config->panic_threshold;
    how.rules.fail_on_panic = config->fail_on_panic;
    how.rules.slow_start_us = config->slow_start_us;
    if (config->slow_start_aggression > 0)
        how.rules.aggression = config->slow_start_aggression;
    return how;
}

static struct gw_upstream *bind_configured(struct gw_registry *registry,
                                           const struct gw_upstream_config *config,
                                           struct gw_arena *arena)
{
    struct gw_upstream *upstream =
        find_or_make(registry, gw_arena_printf(arena, "u:%.*s", GW_SLICE_ARG(config->name)));

    struct gw_balancing how = balancing(registry, config);

    how.health = gw_health_plan_new(config);
    gw_specs_set(upstream, config->targets, config->target_count);
    for (unsigned i = 0; i < upstream->spec_count; i++)
        upstream->specs[i].host_of_record = config->use_srv_name;
    prepare_capacity(upstream, &how.capacity);
    gw_upstream_publish(upstream, &how);
    gw_health_plan_unref(how.health);
    return upstream;
}

static struct gw_slice host_key(const struct gw_service *service, struct gw_arena *arena)
{
    return gw_arena_printf(arena, "h:%.*s:%u", GW_SLICE_ARG(service->host),
                           (unsigned)service->port);
}

static struct gw_slice own_key(const struct gw_service *service, struct gw_arena *arena)
{
    struct gw_slice name = service->name.len ? service->name : service->id;

    return gw_arena_printf(arena, "s:%.*s", GW_SLICE_ARG(name));
}

/* A service without a configured upstream shares one with all of its host and port, or has one of
 * its own where it says how much that may have to do. */
static struct gw_upstream *bind_host(struct gw_registry *registry, const struct gw_service *service,
                                     struct gw_arena *arena)
{
    struct gw_target_config target = {
        .host = service->host, .port = service->port, .services = service->services, .weight = 100
    };
    struct gw_balancing how = { .rules = gw_balance_defaults, .capacity = service->capacity };
    bool own = gw_capacity_bounds(&service->capacity);
    struct gw_upstream *upstream =
        find_or_make(registry, own ? own_key(service, arena) : host_key(service, arena));

    prepare_capacity(upstream, &how.capacity);
    if (!upstream->set || own) {
        gw_specs_set(upstream, &target, 1);
        gw_upstream_publish(upstream, &how);
    }
    return upstream;
}

static void release_binding(struct gw_config *config, void *ctx)
{
    struct binding *binding = ctx;

    (void)config;
    pthread_mutex_lock(&binding->registry->lock);
    for (unsigned i = 0; i < binding->count; i++)
        drop_user(binding->upstreams[i]);
    gw_breakers_release(binding->registry, &binding->breakers);
    gw_registry_post_sync(binding->registry);
    pthread_mutex_unlock(&binding->registry->lock);
    gw_map_deinit(&binding->by_name);
    gw_free(binding->upstreams);
    gw_free(binding);
}

void gw_registry_bind(struct gw_registry *registry, struct gw_config *config)
{
    struct binding *binding = gw_alloc_zero(sizeof(*binding));
    size_t most = config->upstream_count + config->service_count;
    struct gw_arena *arena = gw_arena_new();

    binding->registry = registry;
    binding->upstreams = most ? gw_alloc_zero(most * sizeof(struct gw_upstream *)) : NULL;
    gw_map_init(&binding->by_name);
    pthread_mutex_lock(&registry->lock);
    for (unsigned i = 0; i < config->upstream_count; i++) {
        struct gw_upstream *upstream = bind_configured(registry, &config->upstreams[i], arena);

        binding->upstreams[binding->count++] = upstream;
        gw_map_put(&binding->by_name, config->upstreams[i].name, upstream);
    }
    for (unsigned i = 0; i < config->service_count; i++) {
        struct gw_service *service = &config->services[i];

        service->upstream = gw_map_get(&binding->by_name, service->host);
        if (!service->upstream) {
            service->upstream = bind_host(registry, service, arena);
            binding->upstreams[binding->count++] = service->upstream;
        }
    }
    registry->empty_answers = config->dns.empty_answers;
    registry->empty_hold_us = config->dns.empty_hold_us;
    gw_breakers_bind(registry, config, &binding->by_name, &binding->breakers);
    gw_registry_post_sync(registry);
    pthread_mutex_unlock(&registry->lock);
    gw_arena_free(arena);
    config->on_free = release_binding;
    config->on_free_ctx = binding;
}

struct gw_upstream *gw_registry_find(struct gw_registry *registry, const struct gw_config *config,
                                     struct gw_slice name)
{
    const struct binding *binding = config->on_free_ctx;

    if (!binding || binding->registry != registry || name.len == 0)
        return NULL;
    return gw_map_get(&binding->by_name, name);
}
