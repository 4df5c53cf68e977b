/* moongate.metrics: families of plugins in the process's metrics. */
#include "script/modules.h"
#include "script/state.h"
#include "telemetry/metrics.h"

#include <assert.h>

static_assert(GW_PDK_LABELS_MAX == GW_METRIC_LABELS_MAX, "Lua's array is as long");
static_assert(GW_PDK_BOUNDS_MAX == GW_METRIC_BOUNDS_MAX, "Lua's array is as long");

static const enum gw_metric_kind kinds[] = {
    [GW_PDK_COUNTER] = GW_METRIC_SUM,
    [GW_PDK_GAUGE] = GW_METRIC_LEVEL,
    [GW_PDK_HISTOGRAM] = GW_METRIC_BUCKETS,
};

struct gw_metric_family *gw_pdk_metric(struct gw_script *script, const struct gw_pdk_metric *def)
{
    struct gw_metric_def wanted = {
        .name = def->name,
        .help = def->help,
        .kind = kinds[def->kind],
        .max_series = (unsigned)def->max_series,
        .bounds = def->bounds,
        .bound_count = (unsigned)def->bound_count,
    };

    for (unsigned i = 0; i < GW_METRIC_LABELS_MAX; i++)
        wanted.labels[i] = def->labels[i];
    return gw_metrics_family(script->metrics, &wanted);
}

uint32_t gw_pdk_metric_series(struct gw_metric_family *family, struct gw_pdk_labels *labels)
{
    struct gw_slice values[GW_METRIC_LABELS_MAX];

    for (unsigned i = 0; i < GW_METRIC_LABELS_MAX; i++)
        values[i] = gw_slice(labels->ptr[i], labels->len[i]);
    gw_metric series = gw_metric_series(family, values);

    labels->is_other = gw_metric_is_other(family, series);
    return series;
}

void gw_pdk_metric_count(struct gw_script *script, uint32_t series, double n)
{
    gw_metric_sum_add(script->metrics, series, script->worker, n);
}

void gw_pdk_metric_set(struct gw_script *script, uint32_t series, double value)
{
    gw_metric_level_set(script->metrics, series, value);
}

void gw_pdk_metric_move(struct gw_script *script, uint32_t series, double by)
{
    gw_metric_level_add(script->metrics, series, by);
}

void gw_pdk_metric_observe(struct gw_script *script, struct gw_metric_family *family,
                           uint32_t series, double value)
{
    gw_metric_bucket_observe(family, series, script->worker, value);
}
