/* The circuit breakers of services: found by name, asked and told by calls. */
#include "upstream/breakers.h"

#include "base/alloc.h"
#include "base/log.h"
#include "upstream/call_private.h"
#include "upstream/health_events.h"
#include "upstream/registry_private.h"

/* ── of a configuration ────────────────────────────────────────────────────── */

static struct gw_service_breaker *find_or_make(struct gw_registry *registry, struct gw_slice name)
{
    struct gw_service_breaker *state = gw_map_get(&registry->breakers, name);

    if (!state) {
        state = gw_alloc_zero(sizeof(*state));
        gw_breaker_init(&state->breaker);
        state->registry = registry;
        state->name = gw_strndup(name.ptr, name.len);
        state->name_len = name.len;
        gw_map_put(&registry->breakers, gw_slice(state->name, name.len), state);
    }
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

void gw_breakers_bind(struct gw_registry *registry, struct gw_config *config,
                      struct gw_breaker_uses *uses)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->service_count; i++)
        count += config->services[i].breaker_config != NULL;
    uses->items = count ? gw_alloc_zero(count * sizeof(*uses->items)) : NULL;
    for (unsigned i = 0; i < config->service_count; i++) {
        struct gw_service *service = &config->services[i];
        struct gw_breaker_use *use = uses->items ? &uses->items[uses->count] : NULL;

        if (!use || !service->breaker_config)
            continue;
        use->state = find_or_make(registry, service->name.len ? service->name : service->id);
        use->rules = rules_of(service->breaker_config);
        use->statuses = service->breaker_config->statuses;
        service->breaker = use;
        uses->count++;
    }
}

void gw_breakers_release(struct gw_registry *registry, struct gw_breaker_uses *uses)
{
    for (unsigned i = 0; i < uses->count; i++) {
        struct gw_service_breaker *state = uses->items[i].state;

        if (--state->users > 0)
            continue;
        gw_map_remove(&registry->breakers, gw_slice(state->name, state->name_len));
        gw_breaker_deinit(&state->breaker);
        gw_free(state->name);
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
            .service = gw_slice(state->name, state->name_len),
            .look = gw_breaker_look(&state->breaker, now_us),
            .opened = atomic_load_explicit(&state->opened, memory_order_relaxed),
            .refused = atomic_load_explicit(&state->refused, memory_order_relaxed),
        };

        visit(&info, ctx);
    }
    pthread_mutex_unlock(&registry->lock);
}

/* ── of a call ─────────────────────────────────────────────────────────────── */

/* The service's, where the call goes to the service and not to where a plugin sent it. */
static const struct gw_breaker_use *use_of(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;

    if (!options->service || options->upstream || options->target_host.len)
        return NULL;
    return options->service->breaker;
}

static void tell(const struct gw_breaker_use *use, const struct gw_breaker_event *event)
{
    struct gw_service_breaker *state = use->state;
    const char *why = gw_breaker_why_text(event->why);

    struct gw_health_event moved = {
        .kind = GW_HEALTH_EVENT_BREAKER,
        .state = gw_breaker_state_text(event->to),
        .by = "traffic",
        .why = why,
        .lasts_us = event->to == GW_BREAKER_OPEN ? event->open_for_us : 0,
    };

    if (!event->moved)
        return;
    if (event->to == GW_BREAKER_OPEN) {
        atomic_fetch_add_explicit(&state->opened, 1, memory_order_relaxed);
        gw_warn("service %s: circuit breaker opens for %llu ms (%s)", state->name,
                (unsigned long long)(event->open_for_us / 1000), why);
    } else {
        gw_notice("service %s: circuit breaker is %s (%s)", state->name,
                  gw_breaker_state_text(event->to), why);
    }
    gw_breaker_event_tell(state->registry, gw_slice(state->name, state->name_len), &moved);
}

bool gw_call_may_pass(struct gw_call *call)
{
    const struct gw_breaker_use *use = use_of(call);
    struct gw_breaker_event event;

    if (!use)
        return true;

    uint64_t wait_us = gw_breaker_ask(&use->state->breaker, &use->rules,
                                      call->options.loop->clock.now_us, &call->pass, &event);

    tell(use, &event);
    call->has_pass = wait_us == 0;
    if (call->has_pass)
        return true;
    atomic_fetch_add_explicit(&use->state->refused, 1, memory_order_relaxed);
    call->info.retry_after_us = wait_us;
    gw_call_fail_later(call, GW_E_BREAKER_OPEN);
    return false;
}

/* What the client or we ourselves did says nothing about the service. */
static enum gw_breaker_outcome outcome_of(const struct gw_breaker_use *use, int status,
                                          enum gw_error why)
{
    if (status)
        return status < 600 && use->statuses[status] ? GW_BREAKER_FAILURE : GW_BREAKER_SUCCESS;
    return why != GW_E_NO_TARGET && gw_error_info(why)->side == GW_SIDE_UPSTREAM
               ? GW_BREAKER_FAILURE
               : GW_BREAKER_NOTHING;
}

void gw_call_end_pass(struct gw_call *call, int status, enum gw_error why)
{
    struct gw_breaker_event event;

    if (!call->has_pass)
        return;

    const struct gw_breaker_use *use = call->options.service->breaker;

    call->has_pass = false;
    gw_breaker_end(&use->state->breaker, &use->rules, &call->pass, outcome_of(use, status, why),
                   call->options.loop->clock.now_us, &event);
    tell(use, &event);
}
