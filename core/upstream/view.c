#include "upstream/view.h"

#include "base/alloc.h"
#include "base/map.h"
#include "upstream/registry_private.h"

static void fill_slot(struct gw_balance_slot *slot, const struct gw_target_item *item)
{
    const struct gw_target *target = item->target;

    slot->weight = item->weight;
    slot->priority = item->priority;
    slot->vitals = &target->vitals;
    slot->id = gw_hash(gw_hash(0, target->authority.ptr, target->authority.len), target->text.ptr,
                       target->text.len);
}

static struct gw_view *new_view(struct gw_upstream *upstream, struct gw_random *random)
{
    struct gw_view *view = gw_alloc_zero(sizeof(*view));

    view->serial = upstream->serial;
    view->set = gw_upstream_set(upstream, &view->version);
    view->users = 1;
    view->slots = view->set->count ? gw_alloc_zero(view->set->count * sizeof(*view->slots)) : NULL;
    for (unsigned i = 0; i < view->set->count; i++)
        fill_slot(&view->slots[i], &view->set->items[i]);

    const struct gw_balance_algorithm *algorithm = gw_balance_find(view->set->how.algorithm);

    gw_balance_init(&view->balance, algorithm ? algorithm : &gw_balance_round_robin,
                    &view->set->how.rules, view->slots, view->set->count, random);
    return view;
}

void gw_view_release(struct gw_view *view)
{
    if (!view || --view->users > 0)
        return;
    gw_balance_deinit(&view->balance);
    gw_target_set_unref(view->set);
    gw_free(view->slots);
    gw_free(view);
}

static void make_room(struct gw_views *views, unsigned slot)
{
    unsigned count = views->count ? views->count : 16;

    if (slot < views->count)
        return;
    while (count <= slot)
        count *= 2;
    views->items = gw_realloc(views->items, count * sizeof(struct gw_view *));
    for (unsigned i = views->count; i < count; i++)
        views->items[i] = NULL;
    views->count = count;
}

struct gw_view *gw_views_get(struct gw_views *views, struct gw_upstream *upstream,
                             struct gw_random *random)
{
    make_room(views, upstream->slot);

    struct gw_view **view = &views->items[upstream->slot];

    if (!*view || (*view)->serial != upstream->serial ||
        (*view)->version != atomic_load_explicit(&upstream->version, memory_order_acquire)) {
        gw_view_release(*view);
        *view = new_view(upstream, random);
    }
    uint64_t moves = atomic_load_explicit(&upstream->moves, memory_order_acquire);

    if ((*view)->moves != moves) {
        (*view)->moves = moves;
        gw_balance_changed(&(*view)->balance);
    }
    (*view)->users++;
    return *view;
}

void gw_views_deinit(struct gw_views *views)
{
    for (unsigned i = 0; i < views->count; i++)
        gw_view_release(views->items[i]);
    gw_free(views->items);
    *views = (struct gw_views){ NULL, 0 };
}

int gw_view_choose(struct gw_view *view, const struct gw_balance_ask *ask, enum gw_balance_why *why)
{
    *why = GW_BALANCE_NONE;
    return view->set->count ? gw_balance_pick(&view->balance, ask, why) : -1;
}
