#include "server/log_place.h"

#include <errno.h>
#include <stdio.h>

bool gw_log_place_prepare(struct gw_log_place *place, struct gw_slice name, char *why,
                          size_t why_size)
{
    gw_outlet_close(&place->prepared);
    if (gw_outlet_open(&place->prepared, name))
        return true;
    snprintf(why, why_size, "%s: cannot open %.*s: %s", place->key, GW_SLICE_ARG(name),
             strerror(errno));
    gw_outlet_close(&place->prepared);
    return false;
}

void gw_log_place_commit(struct gw_log_place *place)
{
    pthread_mutex_lock(&place->lock);
    gw_outlet_replace(&place->next, &place->prepared);
    pthread_mutex_unlock(&place->lock);
    atomic_store(&place->changes, true);
}

void gw_log_place_reopen(struct gw_log_place *place)
{
    atomic_store(&place->reopens, true);
}

bool gw_log_place_is(const struct gw_log_place *place, const char *name)
{
    return place->now.name && strcmp(place->now.name, name) == 0;
}

bool gw_log_place_take_changes(struct gw_log_place *place, int *error)
{
    bool changed = false;

    *error = 0;
    if (atomic_load(&place->changes)) {
        atomic_store(&place->changes, false);
        pthread_mutex_lock(&place->lock);
        if (place->next.name) {
            gw_outlet_replace(&place->now, &place->next);
            changed = true;
        }
        pthread_mutex_unlock(&place->lock);
    }
    if (atomic_load(&place->reopens)) {
        atomic_store(&place->reopens, false);
        changed = true;
        if (!gw_outlet_reopen(&place->now))
            *error = errno;
    }
    return changed;
}

void gw_log_place_close(struct gw_log_place *place)
{
    gw_outlet_close(&place->now);
    gw_outlet_close(&place->next);
    gw_outlet_close(&place->prepared);
    atomic_store(&place->changes, false);
    atomic_store(&place->reopens, false);
}
