#include "base/alloc.h"
#include "base/arena.h"
#include "net/tls_client.h"
#include "upstream/health.h"

static void *copy(struct gw_arena *arena, const void *bytes, size_t size)
{
    void *copied = gw_arena_alloc(arena, size);

    memcpy(copied, bytes, size);
    return copied;
}

static const struct gw_check_config *copy_check(struct gw_arena *arena,
                                                const struct gw_check_config *config)
{
    struct gw_check_config *check = copy(arena, config, sizeof(*config));

    check->path = gw_arena_copy(arena, config->path);
    check->body = gw_arena_copy(arena, config->body);
    check->grpc_service = gw_arena_copy(arena, config->grpc_service);
    check->name = gw_arena_copy(arena, config->name);
    if (config->tls_client)
        check->tls_client = gw_tls_client_ref(config->tls_client);
    check->fields =
        copy(arena, config->fields, (config->field_count + (size_t)1) * sizeof(*config->fields));
    for (unsigned i = 0; i < config->field_count; i++) {
        check->fields[i].name = gw_arena_copy(arena, config->fields[i].name);
        check->fields[i].value = gw_arena_copy(arena, config->fields[i].value);
    }
    return check;
}

static struct gw_ejection_rules rules_of(const struct gw_ejection_config *config)
{
    return (struct gw_ejection_rules){
        .consecutive_failures = config->consecutive_failures,
        .consecutive_gateway_failures = config->consecutive_gateway_failures,
        .success_rate_deviations = config->success_rate_deviations,
        .success_rate_targets = config->success_rate_targets,
        .success_rate_requests = config->success_rate_requests,
        .failure_percentage = config->failure_percentage,
        .failure_percentage_targets = config->failure_percentage_targets,
        .failure_percentage_requests = config->failure_percentage_requests,
        .interval_us = config->interval_us,
        .time_us = config->time_us,
        .time_max_us = config->time_max_us,
        .max_ejected = config->max_ejected,
        .returns_with_checks = config->returns_with_checks,
    };
}

struct gw_health_plan *gw_health_plan_new(const struct gw_upstream_config *config)
{
    struct gw_health_plan *plan;

    if (!config->check && !config->passive && !config->ejection)
        return NULL;
    plan = gw_alloc_zero(sizeof(*plan));
    gw_refs_init(&plan->refs);
    plan->arena = gw_arena_new();
    if (config->check)
        plan->check = copy_check(plan->arena, config->check);
    if (config->passive)
        plan->passive = copy(plan->arena, config->passive, sizeof(*config->passive));
    plan->ejects = config->ejection != NULL;
    if (plan->ejects)
        plan->ejection = rules_of(config->ejection);
    return plan;
}

struct gw_health_plan *gw_health_plan_ref(struct gw_health_plan *plan)
{
    if (plan)
        gw_refs_add(&plan->refs);
    return plan;
}

void gw_health_plan_unref(struct gw_health_plan *plan)
{
    if (!plan || !gw_refs_drop(&plan->refs))
        return;
    if (plan->check)
        gw_tls_client_unref(plan->check->tls_client);
    gw_arena_free(plan->arena);
    gw_free(plan);
}
