#pragma once
/* Counters, gauges and histograms of the process, by name and labels, as Prometheus reads them.
 *
 * A *family* is a metric's name with its help and label names; a *series* is a family with the
 * values of its labels. A series is looked up once (when the configuration is loaded, or at its
 * first use, then remembered) and is a number from then on. Each *writer* (a worker, control) has
 * its own places, so that counting is a plain add: no lock, no shared cache line. Scraping sums
 * them up. Families and series stay for the life of the process: the same name is the same place,
 * also after a reload. */
#include "base/buf.h"
#include "base/slice.h"

#define GW_METRIC_LABELS_MAX 8
#define GW_METRIC_SERIES_DEFAULT 1000
#define GW_METRIC_BOUNDS_MAX 30

struct gw_metrics;
struct gw_metric_family;

enum gw_metric_kind {
    GW_METRIC_COUNTER,
    GW_METRIC_GAUGE,
    GW_METRIC_HISTOGRAM, /* of durations: observed in microseconds, shown in seconds */
    /* What plugins count, in numbers with fractions (metrics_numbers.c): */
    GW_METRIC_SUM,     /* a counter */
    GW_METRIC_LEVEL,   /* a gauge with one place for all writers: what was set last is it */
    GW_METRIC_BUCKETS, /* a histogram with the bounds of its definition */
};

struct gw_metric_def {
    const char *name; /* "moongate_requests_total" */
    const char *help; /* one sentence */
    enum gw_metric_kind kind;
    const char *labels[GW_METRIC_LABELS_MAX]; /* up to the first NULL */
    unsigned max_series;  /* 0: GW_METRIC_SERIES_DEFAULT; what comes beyond is counted as "other" */
    const double *bounds; /* of BUCKETS: ascending, the largest value of each */
    unsigned bound_count; /* at most GW_METRIC_BOUNDS_MAX */
};

/* A place to count in; GW_METRIC_NONE counts nowhere. */
typedef uint32_t gw_metric;
enum {
    GW_METRIC_NONE = 0,
};

/* `writers`: how many threads may count, each with its own index below that. One that never does
 * takes eight bytes. */
struct gw_metrics *gw_metrics_new(unsigned writers);
void gw_metrics_free(struct gw_metrics *metrics);

/* From any thread; everything is copied. The family that has this name already when kind, labels
 * and bounds are the same. A plugin's kind takes the name over from another plugin's family, which
 * is shown no more (a reload brought other labels). NULL for a name or label Prometheus would not
 * take, for a name in use otherwise, and when there are too many families. */
struct gw_metric_family *gw_metrics_family(struct gw_metrics *metrics,
                                           const struct gw_metric_def *def);

/* From any thread; one value a label, NULL without labels. Takes a lock and hashes: not for every
 * request. Past the family's maximum it is the series whose labels all say "other". */
gw_metric gw_metric_series(struct gw_metric_family *family, const struct gw_slice *values);

/* Whether it is the one for what comes past the maximum. */
bool gw_metric_is_other(const struct gw_metric_family *family, gw_metric series);

/* These three are for the thread that has this writer's index. */
void gw_metric_add(struct gw_metrics *metrics, gw_metric series, unsigned writer, int64_t n);
void gw_metric_set(struct gw_metrics *metrics, gw_metric series, unsigned writer, int64_t value);
void gw_metric_observe_us(struct gw_metrics *metrics, gw_metric series, unsigned writer,
                          uint64_t duration_us);

/* The same for what plugins count; numbers are finite. A level belongs to no writer. */
void gw_metric_sum_add(struct gw_metrics *metrics, gw_metric series, unsigned writer, double n);
void gw_metric_level_set(struct gw_metrics *metrics, gw_metric series, double value);
void gw_metric_level_add(struct gw_metrics *metrics, gw_metric series, double n);
void gw_metric_bucket_observe(const struct gw_metric_family *family, gw_metric series,
                              unsigned writer, double value);

/* Of a SUM or LEVEL: over all writers. */
double gw_metric_number(const struct gw_metrics *metrics, gw_metric series);

/* From any thread: the sum over all writers; how many were observed, for a histogram. */
int64_t gw_metric_value(const struct gw_metrics *metrics, gw_metric series);

/* The duration below which the given part (0 … 1) of all observed lie, at most 5 % off; 0 when
 * there are none. */
uint64_t gw_metric_quantile_us(const struct gw_metrics *metrics, gw_metric series, double part);

/* Appends the text format 0.0.4. From any thread, while others count. False past the buffer's
 * maximum. */
bool gw_metrics_render(const struct gw_metrics *metrics, struct gw_buf *out);
