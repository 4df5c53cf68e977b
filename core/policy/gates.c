/* The table: finding gates, making room for them, and what is in use staying until it is not. */
#include "base/alloc.h"
#include "policy/gates_private.h"

#define GATE_BYTES 256 /* one with its place in the map, and what malloc adds */
#define LOOK_BACK 2    /* old gates that a new one frees */
#define OLD_US UINT64_C(60000000)

struct gw_gates *gw_gates_new(size_t max_bytes)
{
    struct gw_gates *gates = gw_alloc_zero(sizeof(*gates));

    gw_refs_init(&gates->refs);
    gw_siphash_key_init(&gates->secret);
    gates->max_bytes = max_bytes;
    for (unsigned i = 0; i < GW_GATES_STRIPES; i++) {
        pthread_mutex_init(&gates->stripes[i].lock, NULL);
        gw_map_init(&gates->stripes[i].gates);
        gw_list_init(&gates->stripes[i].unused);
    }
    return gates;
}

static struct gw_slice name_of(const struct gw_gate *gate)
{
    return gw_slice((const char *)&gate->hash, sizeof(gate->hash));
}

static void drop(struct gw_gate *gate)
{
    gw_list_remove(&gate->node);
    gw_map_remove(&gate->stripe->gates, name_of(gate));
    gw_free(gate);
}

static void unref(struct gw_gates *gates)
{
    if (!gw_refs_drop(&gates->refs))
        return;
    for (unsigned i = 0; i < GW_GATES_STRIPES; i++) {
        struct gw_gate_stripe *stripe = &gates->stripes[i];

        GW_LIST_EACH(&stripe->unused, node) {
            drop(container_of(node, struct gw_gate, node));
        }
        GW_ASSERT(stripe->gates.count == 0);
        gw_map_deinit(&stripe->gates);
        pthread_mutex_destroy(&stripe->lock);
    }
    gw_free(gates);
}

void gw_gates_free(struct gw_gates *gates)
{
    unref(gates);
}

/* ── finding ───────────────────────────────────────────────────────────────── */

/* What was used long ago leaves by itself, and what is too much because something new comes. */
static bool make_room(struct gw_gate_stripe *stripe, size_t most, uint64_t now_us)
{
    for (unsigned i = 0; i < LOOK_BACK; i++) {
        struct gw_list_node *node = gw_list_first(&stripe->unused);
        bool full = stripe->gates.count >= most;

        if (!node)
            break;

        struct gw_gate *oldest = container_of(node, struct gw_gate, node);

        if (!full && oldest->used_us + OLD_US > now_us)
            break;
        stripe->evicted += full;
        drop(oldest);
    }
    return stripe->gates.count < most;
}

static struct gw_gate *make(struct gw_gates *gates, struct gw_gate_stripe *stripe,
                            struct gw_hash128 hash, uint64_t now_us)
{
    size_t most = gates->max_bytes / GATE_BYTES / GW_GATES_STRIPES;

    if (!make_room(stripe, most ? most : 1, now_us))
        return NULL;

    struct gw_gate *gate = gw_alloc_zero(sizeof(*gate));

    gate->gates = gates;
    gate->stripe = stripe;
    gate->hash = hash;
    gw_list_init(&gate->tickets);
    gw_map_put(&stripe->gates, name_of(gate), gate);
    return gate;
}

static bool is_used(const struct gw_gate *gate)
{
    return gate->waiting || gate->active || gate->unseen;
}

struct gw_gate *gw_gate_enter(struct gw_gates *gates, enum gw_gate_kind kind, uint64_t of,
                              struct gw_slice key, uint64_t now_us)
{
    struct gw_hash128 hash = gw_siphash128(&gates->secret, of << 2 | (uint64_t)kind, key);
    struct gw_gate_stripe *stripe = &gates->stripes[hash.high % GW_GATES_STRIPES];

    pthread_mutex_lock(&stripe->lock);
    struct gw_gate *gate = gw_map_get(&stripe->gates, gw_slice((const char *)&hash, sizeof(hash)));

    if (!gate)
        gate = make(gates, stripe, hash, now_us);
    if (!gate) {
        stripe->refused++;
        pthread_mutex_unlock(&stripe->lock);
        return NULL;
    }
    if (!is_used(gate))
        gw_refs_add(&gates->refs);
    gw_list_remove(&gate->node);
    gate->used_us = now_us;
    return gate;
}

void gw_gate_lock(struct gw_gate *gate, uint64_t now_us)
{
    pthread_mutex_lock(&gate->stripe->lock);
    gate->used_us = now_us;
}

void gw_gate_unlock(struct gw_gate *gate)
{
    struct gw_gates *gates = gate->gates;
    struct gw_gate_stripe *stripe = gate->stripe;
    bool used = is_used(gate);

    if (!used)
        gw_list_append(&stripe->unused, &gate->node);
    pthread_mutex_unlock(&stripe->lock);
    if (!used)
        unref(gates);
}

/* ── as a zone ─────────────────────────────────────────────────────────────── */

void gw_gates_stats(struct gw_gates *gates, struct gw_gates_stats *stats)
{
    *stats = (struct gw_gates_stats){ .bytes = sizeof(*gates), .max_bytes = gates->max_bytes };
    for (unsigned i = 0; i < GW_GATES_STRIPES; i++) {
        struct gw_gate_stripe *stripe = &gates->stripes[i];

        pthread_mutex_lock(&stripe->lock);
        stats->gates += stripe->gates.count;
        stats->waiting += stripe->waiting;
        stats->active += stripe->active;
        stats->passed += stripe->passed;
        stats->refused += stripe->refused;
        stats->left += stripe->left;
        stats->evicted += stripe->evicted;
        pthread_mutex_unlock(&stripe->lock);
    }
    stats->bytes += stats->gates * GATE_BYTES;
}

static struct gw_zone *zone_make(const void *options)
{
    const size_t *bytes = options;

    return &gw_gates_new(*bytes)->zone;
}

static void zone_apply(struct gw_zone *zone, const void *options)
{
    const size_t *bytes = options;

    gw_gates_of_zone(zone)->max_bytes = *bytes;
}

static void zone_stats(struct gw_zone *zone, struct gw_zone_stats *stats)
{
    struct gw_gates_stats own;

    gw_gates_stats(gw_gates_of_zone(zone), &own);
    *stats = (struct gw_zone_stats){
        .bytes = own.bytes,
        .max_bytes = own.max_bytes,
        .entries = own.gates,
        .evicted = own.evicted,
        .waiting = own.waiting,
        .active = own.active,
    };
}

static void zone_destroy(struct gw_zone *zone)
{
    gw_gates_free(gw_gates_of_zone(zone));
}

const struct gw_zone_kind gw_gates_kind = {
    .name = "gates",
    .make = zone_make,
    .apply = zone_apply,
    .stats = zone_stats,
    .destroy = zone_destroy,
};

struct gw_gates *gw_gates_of_zone(struct gw_zone *zone)
{
    return container_of(zone, struct gw_gates, zone);
}
