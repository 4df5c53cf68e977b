/* Definitions: what Prometheus would take, and who may have which name. */
#include "base/alloc.h"
#include "telemetry/metrics_private.h"

#include <math.h>

#define FAMILIES_MAX 1024
#define CORE_FAMILIES 256 /* of them not for plugins */
#define NAME_LEN_MAX 200

static bool is_name(const char *name, bool colons)
{
    size_t len = name ? strlen(name) : 0;

    if (len == 0 || len > NAME_LEN_MAX || (name[0] >= '0' && name[0] <= '9'))
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = gw_lower(name[i]);

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_' && !(colons && c == ':'))
            return false;
    }
    return true;
}

static bool is_label(const struct gw_metric_def *def, unsigned at)
{
    const char *label = def->labels[at];

    if (!is_name(label, false) || strncmp(label, "__", 2) == 0)
        return false;
    if ((def->kind == GW_METRIC_HISTOGRAM || def->kind == GW_METRIC_BUCKETS) &&
        strcmp(label, "le") == 0)
        return false;
    for (unsigned i = 0; i < at; i++)
        if (strcmp(label, def->labels[i]) == 0)
            return false;
    return true;
}

static unsigned count_labels(const struct gw_metric_def *def)
{
    unsigned count = 0;

    while (count < GW_METRIC_LABELS_MAX && def->labels[count])
        count++;
    return count;
}

static bool has_good_bounds(const struct gw_metric_def *def)
{
    if (def->kind != GW_METRIC_BUCKETS)
        return true;
    if (def->bound_count == 0 || def->bound_count > GW_METRIC_BOUNDS_MAX)
        return false;
    for (unsigned i = 0; i < def->bound_count; i++)
        if (!isfinite(def->bounds[i]) || (i > 0 && def->bounds[i] <= def->bounds[i - 1]))
            return false;
    return true;
}

static bool is_valid(const struct gw_metric_def *def)
{
    if (!is_name(def->name, true) || !has_good_bounds(def))
        return false;
    for (unsigned i = 0; i < count_labels(def); i++)
        if (!is_label(def, i))
            return false;
    return true;
}

static bool is_same(const struct gw_metric_family *family, const struct gw_metric_def *def)
{
    if (family->kind != def->kind || family->label_count != count_labels(def))
        return false;
    if (def->kind == GW_METRIC_BUCKETS &&
        (family->bound_count != def->bound_count ||
         memcmp(family->bounds, def->bounds, def->bound_count * sizeof(def->bounds[0])) != 0))
        return false;
    for (unsigned i = 0; i < family->label_count; i++)
        if (strcmp(family->labels[i], def->labels[i]) != 0)
            return false;
    return true;
}

static struct gw_metric_family *new_family(struct gw_metrics *metrics,
                                           const struct gw_metric_def *def, gw_metric other)
{
    struct gw_metric_family *family = gw_alloc_zero(sizeof(*family));
    const char *help = def->help ? def->help : "";
    struct gw_slice values[GW_METRIC_LABELS_MAX] = { 0 };
    char key[GW_METRIC_KEY_MAX];

    family->metrics = metrics;
    family->id = metrics->family_count++;
    family->name = gw_strndup(def->name, strlen(def->name));
    family->help = gw_strndup(help, strlen(help));
    family->kind = def->kind;
    family->max_series = def->max_series ? def->max_series : GW_METRIC_SERIES_DEFAULT;
    family->label_count = count_labels(def);
    for (unsigned i = 0; i < family->label_count; i++) {
        family->labels[i] = gw_strndup(def->labels[i], strlen(def->labels[i]));
        values[i] = GW_SLICE("other");
    }
    if (def->kind == GW_METRIC_BUCKETS) {
        size_t size = def->bound_count * sizeof(def->bounds[0]);

        family->bounds = gw_alloc(size);
        memcpy(family->bounds, def->bounds, size);
        family->bound_count = def->bound_count;
    }
    family->other = gw_metric_new_series(metrics, gw_metric_make_key(family, values, key), other);
    gw_map_put(&metrics->families_by_name, gw_slice_from(family->name), family);
    atomic_store_explicit(metrics->last ? &metrics->last->next : &metrics->first, family,
                          memory_order_release);
    metrics->last = family;
    return family;
}

/* Whether the new definition may take the name over. */
static bool gives_way(const struct gw_metric_family *family, const struct gw_metric_def *def)
{
    return gw_metric_is_plugins(family->kind) && gw_metric_is_plugins(def->kind);
}

/* Under the lock. */
static struct gw_metric_family *find_family(struct gw_metrics *metrics,
                                            const struct gw_metric_def *def)
{
    struct gw_metric_family *family =
        gw_map_get(&metrics->families_by_name, gw_slice_from(def->name));

    if (family && is_same(family, def))
        return family;
    if (family && !gives_way(family, def))
        return NULL;
    if (metrics->family_count >=
        FAMILIES_MAX - (gw_metric_is_plugins(def->kind) ? CORE_FAMILIES : 0))
        return NULL;
    gw_metric other =
        gw_metric_take_place(metrics, def->kind, def->bound_count); /* there is always one */

    if (!other)
        return NULL;
    if (family) {
        gw_map_remove(&metrics->families_by_name, gw_slice_from(family->name));
        atomic_store_explicit(&family->is_hidden, true, memory_order_relaxed);
    }
    return new_family(metrics, def, other);
}

struct gw_metric_family *gw_metrics_family(struct gw_metrics *metrics,
                                           const struct gw_metric_def *def)
{
    if (!is_valid(def))
        return NULL;
    pthread_mutex_lock(&metrics->lock);
    struct gw_metric_family *family = find_family(metrics, def);

    pthread_mutex_unlock(&metrics->lock);
    return family;
}
