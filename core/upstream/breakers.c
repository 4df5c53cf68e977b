/* The circuit breakers of services and routes: found by name, asked and told by calls. */
#include "upstream/breakers.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "upstream/call_private.h"
#include "upstream/health_events.h"
#include "upstream/registry_private.h"

/* ── of a configuration ────────────────────────────────────────────────────── */

static struct gw_service_breaker *make(struct gw_registry *registry, struct gw_slice key,
                                       size_t prefix)
{
    struct gw_service_breaker *state = gw_alloc_zero(sizeof(*state));

    gw_breaker_init(&state->breaker);
    state->registry = registry;
    state->key = gw_strndup(key.ptr, key.len);
    state->key_len = key.len;
    state->name = gw_slice(state->key + prefix, key.len - prefix);
    gw_map_put(&registry->breakers, gw_slice(state->key, key.len), state);
    return state;
}

static struct gw_service_breaker *find_or_make(struct gw_registry *registry, bool of_route,
                                               struct gw_slice name)
{
    const char *kind = of_route ? "route" : "service";
    struct gw_buf key;

    gw_buf_init(&key, SIZE_MAX / 2);
    gw_buf_printf(&key, "%s %.*s", kind, GW_SLICE_ARG(name));

    struct gw_service_breaker *state = gw_map_get(&registry->breakers, gw_buf_slice(&key));

    if (!state)
        state = make(registry, gw_buf_slice(&key), strlen(kind) + 1);
    gw_buf_deinit(&key);
    state->of_route = of_route;
    state->users++;
    return state;
}

static struct gw_breaker_rules rules_of(const struct gw_breaker_config *config)
{
    return (struct gw_breaker_rules){
        .failure_threshold = config->failure_threshold,
        .failure_ratio = config->failure_ratio,
        .minimum_volume = config->minimum_volume,
        .window_us = config->window_us,
        .call_timeout_us = config->call_timeout_us,
        .half_open_after_us = config->half_open_after_us,
        .half_open_after_max_us = config->half_open_after_max_us,
        .probe_timeout_us = config->half_open_timeout_us,
        .half_open_requests = config->half_open_requests,
        .success_threshold = config->success_threshold,
    };
}

static const struct gw_breaker_use *add_use(const struct gw_map *upstreams,
                                            struct gw_breaker_uses *uses,
                                            const struct gw_breaker_config *config,
                                            struct gw_service_breaker *state)
{
    struct gw_breaker_use *use = &uses->items[uses->count++];

    use->state = state;
    use->rules = rules_of(config);
    use->config = config;
    use->fallback =
        config->fallback_upstream.len ? gw_map_get(upstreams, config->fallback_upstream) : NULL;
    return use;
}

static struct gw_slice name_or_id(struct gw_slice name, struct gw_slice id)
{
    return name.len ? name : id;
}

void gw_breakers_bind(struct gw_registry *registry, struct gw_config *config,
                      const struct gw_map *upstreams, struct gw_breaker_uses *uses)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->service_count; i++)
        count += config->services[i].breaker_config != NULL;
    for (unsigned i = 0; i < config->route_count; i++)
        count += config->routes[i].breaker_config != NULL;
    uses->items = count ? gw_alloc_zero(count * sizeof(*uses->items)) : NULL;
    for (unsigned i = 0; i < config->service_count; i++) {
        struct gw_service *service = &config->services[i];

        if (service->breaker_config)
            service->breaker =
                add_use(upstreams, uses, service->breaker_config,
                        find_or_make(registry, false, name_or_id(service->name, service->id)));
    }
    for (unsigned i = 0; i < config->route_count; i++) {
        struct gw_route *route = &config->routes[i];

        if (route->breaker_config)
            route->breaker =
                add_use(upstreams, uses, route->breaker_config,
                        find_or_make(registry, true, name_or_id(route->name, route->id)));
    }
}

void gw_breakers_release(struct gw_registry *registry, struct gw_breaker_uses *uses)
{
    for (unsigned i = 0; i < uses->count; i++) {
        struct gw_service_breaker *state = uses->items[i].state;

        if (--state->users > 0)
            continue;
        gw_map_remove(&registry->breakers, gw_slice(state->key, state->key_len));
        gw_breaker_deinit(&state->breaker);
        gw_free(state->key);
        gw_free(state);
    }
    gw_free(uses->items);
    *uses = (struct gw_breaker_uses){ NULL, 0 };
}

void gw_registry_breakers(struct gw_registry *registry, uint64_t now_us,
                          void (*visit)(const struct gw_breaker_info *info, void *ctx), void *ctx)
{
    struct gw_map_entry *entry;
    size_t at = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->breakers, &at))) {
        struct gw_service_breaker *state = entry->value;
        struct gw_breaker_info info = {
            .name = state->name,
            .of_route = state->of_route,
            .look = gw_breaker_look(&state->breaker, now_us),
            .opened = atomic_load_explicit(&state->opened, memory_order_relaxed),
            .refused = atomic_load_explicit(&state->refused, memory_order_relaxed),
        };

        visit(&info, ctx);
    }
    pthread_mutex_unlock(&registry->lock);
}

/* ── of a call ─────────────────────────────────────────────────────────────── */

static void say(const struct gw_service_breaker *state, const struct gw_breaker_event *event)
{
    const char *why = gw_breaker_why_text(event->why);

    if (event->to == GW_BREAKER_OPEN)
        gw_warn("%s: circuit breaker opens for %llu ms (%s)", state->key,
                (unsigned long long)(event->open_for_us / 1000), why);
    else
        gw_notice("%s: circuit breaker is %s (%s)", state->key, gw_breaker_state_text(event->to),
                  why);
}

/* A move: to the log, to the metrics, and to who listens on control. */
static void tell(struct gw_service_breaker *state, const struct gw_breaker_event *event)
{
    if (!event->moved)
        return;

    struct gw_health_event heard = {
        .kind = GW_HEALTH_EVENT_BREAKER,
        .state = gw_breaker_state_text(event->to),
        .by = state->of_route ? "route" : "service",
        .why = gw_breaker_why_text(event->why),
        .lasts_us = event->open_for_us,
    };

    if (event->to == GW_BREAKER_OPEN)
        atomic_fetch_add_explicit(&state->opened, 1, memory_order_relaxed);
    say(state, event);
    gw_breaker_event_tell(state->registry, state->name, &heard);
}

int gw_registry_close_breakers(struct gw_registry *registry, struct gw_slice name)
{
    struct gw_map_entry *entry;
    size_t at = 0;
    int found = 0;

    pthread_mutex_lock(&registry->lock);
    while ((entry = gw_map_next(&registry->breakers, &at))) {
        struct gw_service_breaker *state = entry->value;
        struct gw_breaker_event event;

        if (!gw_slice_equal(state->name, name))
            continue;
        gw_breaker_close(&state->breaker, &event);
        tell(state, &event);
        found++;
    }
    pthread_mutex_unlock(&registry->lock);
    return found;
}

static bool may_pass(struct gw_call *call, const struct gw_breaker_use *use)
{
    struct gw_call_pass *held = &call->passes[call->pass_count];
    struct gw_breaker_event event;
    uint64_t wait_us = gw_breaker_ask(&use->state->breaker, &use->rules,
                                      call->options.loop->clock.now_us, &held->pass, &event);

    tell(use->state, &event);
    if (wait_us == 0) {
        held->use = use;
        call->pass_count++;
        return true;
    }
    atomic_fetch_add_explicit(&use->state->refused, 1, memory_order_relaxed);
    call->info.retry_after_us = wait_us;
    return false;
}

static bool go_elsewhere(struct gw_call *call, const struct gw_breaker_use *use)
{
    gw_call_end_pass(call, 0, GW_OK); /* of the other breaker: this call says nothing */
    if (use->fallback) {
        call->options.upstream = use->fallback;
        return true;
    }
    call->info.refused_by = use->config;
    gw_call_fail_later(call, GW_E_BREAKER_OPEN);
    return false;
}

bool gw_call_ask_breakers(struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    const struct gw_breaker_use *uses[] = { options->service ? options->service->breaker : NULL,
                                            options->breaker };

    if (options->upstream || options->target_host.len) /* a plugin sent it elsewhere */
        return true;
    for (unsigned i = 0; i < GW_ARRAY_LEN(uses); i++)
        if (uses[i] && !may_pass(call, uses[i]))
            return go_elsewhere(call, uses[i]);
    return true;
}

/* What the client or we ourselves did says nothing about the service. */
static enum gw_breaker_outcome outcome_of(const struct gw_breaker_use *use, int status,
                                          enum gw_error why)
{
    if (status)
        return status < 600 && use->config->statuses[status] ? GW_BREAKER_FAILURE
                                                             : GW_BREAKER_SUCCESS;
    return why != GW_E_NO_TARGET && gw_error_info(why)->side == GW_SIDE_UPSTREAM
               ? GW_BREAKER_FAILURE
               : GW_BREAKER_NOTHING;
}

void gw_call_end_passes(struct gw_call *call, int status, enum gw_error why)
{
    while (call->pass_count > 0) {
        const struct gw_call_pass *held = &call->passes[--call->pass_count];
        const struct gw_breaker_use *use = held->use;
        struct gw_breaker_event event;

        gw_breaker_end(&use->state->breaker, &use->rules, &held->pass, outcome_of(use, status, why),
                       call->options.loop->clock.now_us, &event);
        tell(use->state, &event);
    }
}
