#pragma once
/* The inside of the metrics: the registry (metrics.c), counting (metrics_count.c) and the text for
 * Prometheus (metrics_render.c).
 *
 * Families and series are only ever appended, and published with a release store, so that scraping
 * walks them without the lock. Places are chunks per writer, made by the writer at first use. */
#include "base/map.h"
#include "telemetry/histogram.h"
#include "telemetry/metrics.h"

#include <pthread.h>

#define GW_METRIC_CHUNK 256u
#define GW_METRIC_CHUNKS 256u
#define GW_METRIC_PLACES (GW_METRIC_CHUNK * GW_METRIC_CHUNKS)
#define GW_METRIC_IS_HISTOGRAM                                                                     \
    0x80000000u /* in a gw_metric: which table the rest is a place of                              \
                 */

struct gw_metric_values {
    _Atomic int64_t places[GW_METRIC_CHUNK];
};

struct gw_metric_histograms {
    _Atomic(struct gw_histogram *) places[GW_METRIC_CHUNK];
};

struct gw_metric_writer {
    _Atomic(struct gw_metric_values *) values[GW_METRIC_CHUNKS];
    _Atomic(struct gw_metric_histograms *) histograms[GW_METRIC_CHUNKS];
};

struct gw_metric_series {
    _Atomic(struct gw_metric_series *) next; /* of the family */
    gw_metric place;
    bool listed;         /* under the lock: reachable from the family */
    struct gw_slice key; /* of `data`: the family's number, then each value behind its length */
    char data[];
};

struct gw_metric_family {
    struct gw_metrics *metrics;
    uint32_t id; /* what its series' keys begin with */
    _Atomic(struct gw_metric_family *) next;
    _Atomic(struct gw_metric_series *) first;
    struct gw_metric_series *last;
    struct gw_metric_series *other; /* shown once something was counted there */
    _Atomic uint64_t overflows;     /* look-ups that ended there */
    char *name;
    char *help;
    char *labels[GW_METRIC_LABELS_MAX];
    enum gw_metric_kind kind;
    unsigned label_count;
    unsigned series_count;
    unsigned max_series;
};

struct gw_metrics {
    pthread_mutex_t lock; /* for registering and looking up */
    struct gw_map families_by_name;
    struct gw_map series_by_key;
    _Atomic(struct gw_metric_family *) first;
    struct gw_metric_family *last;
    uint32_t next_value;
    uint32_t next_histogram;
    unsigned writer_count;
    struct gw_metric_writer *writers[];
};

/* Cuts the next label value off a series' key; start behind the family's number. */
struct gw_slice gw_metric_next_value(struct gw_slice *rest);

/* The sum over all writers. */
void gw_metric_sum_histogram(const struct gw_metrics *metrics, gw_metric series, uint64_t *sum_us,
                             uint64_t buckets[GW_HISTOGRAM_BUCKETS]);
