#include "upstream/target.h"

#include "base/alloc.h"
#include "upstream/health.h"

/* ── one target ────────────────────────────────────────────────────────────── */

struct gw_target *gw_target_new(const struct gw_addr *addr, struct gw_slice authority)
{
    char text[GW_ADDR_TEXT_MAX];
    size_t len = gw_addr_format(addr, text);
    struct gw_target *target = gw_alloc_zero(sizeof(*target) + len + 1 + authority.len + 1);

    gw_refs_init(&target->refs);
    target->addr = *addr;
    memcpy(target->bytes, text, len);
    target->text = gw_slice(target->bytes, len);
    if (authority.len)
        memcpy(target->bytes + len + 1, authority.ptr, authority.len);
    target->authority = gw_slice(target->bytes + len + 1, authority.len);
    return target;
}

struct gw_target *gw_target_ref(struct gw_target *target)
{
    gw_refs_add(&target->refs);
    return target;
}

void gw_target_unref(struct gw_target *target)
{
    if (!target || !gw_refs_drop(&target->refs))
        return;
    GW_ASSERT(atomic_load_explicit(&target->vitals.active, memory_order_relaxed) == 0);
    gw_free(target);
}

/* ── the table of an upstream ──────────────────────────────────────────────── */

static void keep(struct gw_slice *text, char **at)
{
    if (text->len)
        memcpy(*at, text->ptr, text->len);
    text->ptr = *at;
    *at += text->len;
}

static void keep_texts(struct gw_target_set *set)
{
    struct gw_balancing *how = &set->how;
    struct gw_slice *texts[] = { &how->algorithm,         &how->host_header,  &how->cookie_path,
                                 &how->hash[0].name,      &how->hash[1].name, &how->sticky.cookie,
                                 &how->sticky.attributes, &how->sticky.key };
    size_t len = 1;

    for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++)
        len += texts[i]->len;

    char *at = set->bytes = gw_alloc(len);

    for (size_t i = 0; i < GW_ARRAY_LEN(texts); i++)
        keep(texts[i], &at);
}

struct gw_target_set *gw_target_set_new(unsigned most, const struct gw_balancing *how)
{
    struct gw_target_set *set = gw_alloc_zero(sizeof(*set));

    gw_refs_init(&set->refs);
    set->why_empty = GW_E_NO_TARGET;
    set->items = most ? gw_alloc_zero(most * sizeof(*set->items)) : NULL;
    set->how = *how;
    gw_health_plan_ref(set->how.health);
    gw_map_init(&set->by_name);
    keep_texts(set);
    return set;
}

/* As a target's bytes are laid out. */
static struct gw_slice name_of(const struct gw_target *target)
{
    return gw_slice(target->bytes, target->text.len + 1 + target->authority.len);
}

void gw_target_set_add(struct gw_target_set *set, struct gw_target *target, unsigned weight,
                       unsigned priority)
{
    struct gw_target_item *same = gw_map_get(&set->by_name, name_of(target));

    if (!same) {
        set->items[set->count] =
            (struct gw_target_item){ .target = target, .weight = weight, .priority = priority };
        gw_map_put(&set->by_name, name_of(target), &set->items[set->count++]);
        return;
    }
    same->weight += weight;
    if (priority < same->priority)
        same->priority = priority;
    gw_target_unref(target);
}

struct gw_target *gw_target_set_find(const struct gw_target_set *set, const struct gw_addr *addr,
                                     struct gw_slice authority)
{
    char text[GW_ADDR_TEXT_MAX];
    size_t len = gw_addr_format(addr, text);
    char *name = gw_alloc(len + 1 + authority.len);

    memcpy(name, text, len);
    name[len] = '\0';
    if (authority.len)
        memcpy(name + len + 1, authority.ptr, authority.len);

    struct gw_target_item *item =
        gw_map_get(&set->by_name, gw_slice(name, len + 1 + authority.len));

    gw_free(name);
    return item ? item->target : NULL;
}

struct gw_target_set *gw_target_set_ref(struct gw_target_set *set)
{
    gw_refs_add(&set->refs);
    return set;
}

void gw_target_set_unref(struct gw_target_set *set)
{
    if (!set || !gw_refs_drop(&set->refs))
        return;
    for (unsigned i = 0; i < set->count; i++)
        gw_target_unref(set->items[i].target);
    gw_health_plan_unref(set->how.health);
    gw_map_deinit(&set->by_name);
    gw_free(set->items);
    gw_free(set->bytes);
    gw_free(set);
}
