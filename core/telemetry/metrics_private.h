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
#include <stdatomic.h>

#define GW_METRIC_CHUNK 256u
#define GW_METRIC_CHUNKS 2048u /* of values: half a million */
#define GW_METRIC_HISTOGRAM_CHUNKS 256u
#define GW_METRIC_PLACES (GW_METRIC_CHUNK * GW_METRIC_CHUNKS)
#define GW_METRIC_HISTOGRAM_PLACES (GW_METRIC_CHUNK * GW_METRIC_HISTOGRAM_CHUNKS)
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
    _Atomic(struct gw_metric_histograms *) histograms[GW_METRIC_HISTOGRAM_CHUNKS];
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
    double *bounds;
    unsigned bound_count;
    atomic_bool is_hidden; /* another one has its name */
};

struct gw_metrics {
    pthread_mutex_t lock; /* for registering and looking up */
    struct gw_map families_by_name;
    struct gw_map series_by_key;
    _Atomic(struct gw_metric_family *) first;
    struct gw_metric_family *last;
    uint32_t family_count;
    uint32_t next_value;
    uint32_t next_histogram;
    unsigned writer_count;
    _Atomic(struct gw_metric_writer *) writers[]; /* made by the writer at first use */
};

static inline bool gw_metric_is_plugins(enum gw_metric_kind kind)
{
    return kind >= GW_METRIC_SUM;
}

#define GW_METRIC_VALUE_MAX 256 /* bytes of a label's value; the rest is cut off */
#define GW_METRIC_KEY_MAX                                                                          \
    (sizeof(uint32_t) + GW_METRIC_LABELS_MAX * (sizeof(uint16_t) + (size_t)GW_METRIC_VALUE_MAX))

/* What a series is found by. No value can be made to look like two others: each stands behind its
 * length. */
struct gw_slice gw_metric_make_key(const struct gw_metric_family *family,
                                   const struct gw_slice *values, char out[GW_METRIC_KEY_MAX]);

/* The next place of its kind, with as many behind it as a series takes; GW_METRIC_NONE when all are
 * taken. Plugins leave a quarter to the gateway itself. Under the lock. */
gw_metric gw_metric_take_place(struct gw_metrics *metrics, enum gw_metric_kind kind,
                               unsigned bound_count);

/* Not yet listed. Under the lock. */
struct gw_metric_series *gw_metric_new_series(struct gw_metrics *metrics, struct gw_slice key,
                                              gw_metric place);

/* The writer's tables. */
struct gw_metric_writer *gw_metric_writer(struct gw_metrics *metrics, unsigned writer);

/* Where a writer counts. */
_Atomic int64_t *gw_metric_place(struct gw_metrics *metrics, gw_metric series, unsigned writer);

/* What a writer counted; NULL when it did not. */
const _Atomic int64_t *gw_metric_peek(const struct gw_metrics *metrics, gw_metric series,
                                      unsigned writer);

/* Appends the lines of a series. */
bool gw_metric_render_number(struct gw_buf *out, const struct gw_metric_family *family,
                             const struct gw_metric_series *series);
bool gw_metric_render_buckets(struct gw_buf *out, const struct gw_metric_family *family,
                              const struct gw_metric_series *series);

/* name_suffix{label="value",le="bound"} and a space. */
bool gw_metric_render_name(struct gw_buf *out, const struct gw_metric_family *family,
                           const struct gw_metric_series *series, const char *suffix,
                           const char *bound);

/* Cuts the next label value off a series' key; start behind the family's number. */
struct gw_slice gw_metric_next_value(struct gw_slice *rest);

/* The sum over all writers. */
void gw_metric_sum_histogram(const struct gw_metrics *metrics, gw_metric series, uint64_t *sum_us,
                             uint64_t buckets[GW_HISTOGRAM_BUCKETS]);
