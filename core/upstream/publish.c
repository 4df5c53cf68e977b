/* From what is configured and what names resolve to: the set of targets that workers balance over.
 * With the registry's lock held. */
#include "net/host_name.h"
#include "upstream/health.h"
#include "upstream/registry_private.h"

#include <stdio.h>

/* What is under way: the new set, and the one before, whose targets are kept. */
struct making {
    struct gw_target_set *set;
    const struct gw_target_set *old;
};

/* `part` of `whole` of the weight. */
static unsigned share_of(unsigned weight, uint64_t part, uint64_t whole)
{
    uint64_t share = weight * part * GW_WEIGHT_SHARES / whole;

    return weight && !share ? 1 : (unsigned)share;
}

static struct gw_target *new_target(const struct making *making, const struct gw_addr *addr,
                                    struct gw_slice authority)
{
    const struct gw_health_plan *plan = making->set->how.health;
    struct gw_target *target = gw_target_new(addr, authority);

    target->late = making->old && making->old->count > 0;
    if (plan && plan->check && plan->check->before_use)
        gw_health_await(&target->vitals.health);
    return target;
}

static void add_address(const struct making *making, const struct gw_addr *addr,
                        struct gw_slice authority, unsigned weight, unsigned priority)
{
    struct gw_target *target =
        making->old ? gw_target_set_find(making->old, addr, authority) : NULL;

    gw_target_set_add(making->set,
                      target ? gw_target_ref(target) : new_target(making, addr, authority), weight,
                      priority);
}

static struct gw_addr with_port(const struct gw_addr *addr, uint16_t port)
{
    struct gw_addr with = *addr;

    if (with.sa.any.sa_family == AF_INET6)
        with.sa.v6.sin6_port = htons(port);
    else if (with.sa.any.sa_family == AF_INET)
        with.sa.v4.sin_port = htons(port);
    return with;
}

static void add_place(const struct making *making, const struct gw_spec *spec,
                      const struct gw_name_place *place, uint64_t weights)
{
    char text[GW_HOST_NAME_MAX + sizeof(":65535")];
    struct gw_slice authority = spec->authority;
    struct gw_addr addr = spec->name->services ? place->addr : with_port(&place->addr, spec->port);

    if (spec->host_of_record && place->host) {
        unsigned port = gw_addr_port(&addr);
        int len = snprintf(text, sizeof(text), port == 80 ? "%s" : "%s:%u", place->host, port);

        authority = gw_slice(text, (size_t)len);
    }
    add_address(making, &addr, authority, share_of(spec->weight, place->weight, weights),
                spec->priority * GW_RECORD_PRIORITIES + place->priority);
}

/* Each group of one priority shares the target's weight: the others are backups. */
static void add_places(const struct making *making, const struct gw_spec *spec)
{
    const struct gw_name_place *places = spec->name->places;
    unsigned count = spec->name->place_count, end;

    for (unsigned from = 0; from < count; from = end) {
        uint64_t weights = 0;

        for (end = from; end < count && places[end].priority == places[from].priority; end++)
            weights += places[end].weight;
        for (unsigned i = from; i < end; i++)
            add_place(making, spec, &places[i], weights);
    }
}

static void add_spec(const struct making *making, const struct gw_spec *spec)
{
    if (spec->literal) {
        add_address(making, &spec->addr, spec->authority, share_of(spec->weight, 1, 1),
                    spec->priority * GW_RECORD_PRIORITIES);
        return;
    }
    if (spec->name->place_count == 0)
        making->set->why_empty = GW_E_RESOLVE;
    add_places(making, spec);
}

void gw_upstream_publish(struct gw_upstream *upstream, const struct gw_balancing *how)
{
    const struct gw_balancing plain = { .rules = gw_balance_defaults };
    struct gw_target_set *old = upstream->set;
    unsigned most = 0;

    for (unsigned i = 0; i < upstream->spec_count; i++)
        most += upstream->specs[i].literal ? 1 : upstream->specs[i].name->place_count;

    how = how ? how : old ? &old->how : &plain;

    struct making making = { .set = gw_target_set_new(most, how), .old = old };

    for (unsigned i = 0; i < upstream->spec_count; i++)
        add_spec(&making, &upstream->specs[i]);
    for (unsigned i = 0; making.set->how.sticky.cookie.len && i < making.set->count; i++)
        gw_sticky_tag(&making.set->how.sticky, gw_upstream_name(upstream),
                      making.set->items[i].target, making.set->items[i].tag);
    upstream->set = making.set;
    atomic_store_explicit(&upstream->slow_start, making.set->how.rules.slow_start_us > 0,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&upstream->version, 1, memory_order_release);
    gw_target_set_unref(old);
}
