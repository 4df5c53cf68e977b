#include "base/check.h"
#include "base/utf8.h"
#include "telemetry/metrics_private.h"

#include <inttypes.h>

/* Prometheus' text format 0.0.4, see
 * https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format */

/* The bounds of a latency, all of them bucket edges. */
static const struct {
    uint64_t us;
    const char *seconds;
} bounds[] = {
    { 1000, "0.001" },  { 2000, "0.002" },  { 5000, "0.005" },  { 10000, "0.01" },
    { 20000, "0.02" },  { 50000, "0.05" },  { 100000, "0.1" },  { 200000, "0.2" },
    { 500000, "0.5" },  { 1000000, "1" },   { 2000000, "2" },   { 5000000, "5" },
    { 10000000, "10" }, { 30000000, "30" }, { 60000000, "60" },
};

static const char *kind_name(enum gw_metric_kind kind)
{
    switch (kind) {
    case GW_METRIC_COUNTER:
    case GW_METRIC_SUM:
        return "counter";
    case GW_METRIC_GAUGE:
    case GW_METRIC_LEVEL:
        return "gauge";
    case GW_METRIC_HISTOGRAM:
    case GW_METRIC_BUCKETS:
        return "histogram";
    }
    return "untyped";
}

static struct gw_slice escaped(char c, bool quotes)
{
    switch (c) {
    case '\\':
        return GW_SLICE("\\\\");
    case '\n':
        return GW_SLICE("\\n");
    case '"':
        return quotes ? GW_SLICE("\\\"") : GW_SLICE("\"");
    }
    return GW_SLICE_EMPTY;
}

/* How many bytes at the start stand as they are, whatever is escaped. */
static size_t plain_length(struct gw_slice text)
{
    size_t len = 0;

    while (len < text.len && (unsigned char)text.ptr[len] < 0x80 && text.ptr[len] != '\\' &&
           text.ptr[len] != '\n' && text.ptr[len] != '"')
        len++;
    return len;
}

static bool append_escaped(struct gw_buf *out, struct gw_slice text, bool quotes)
{
    bool good = true;

    while (good && text.len > 0) {
        size_t len = plain_length(text);

        if (len == 0)
            len = gw_utf8_length(text);
        struct gw_slice instead = escaped(text.ptr[0], quotes);

        if (len == 0) {
            good = gw_buf_append(out, GW_SLICE("\xef\xbf\xbd")); /* U+FFFD */
            len = 1;
        } else {
            good = gw_buf_append(out, instead.len ? instead : gw_slice(text.ptr, len));
        }
        text = gw_slice_skip(text, len);
    }
    return good;
}

static bool append_text(struct gw_buf *out, const char *text)
{
    return gw_buf_append(out, gw_slice_from(text));
}

bool gw_metric_render_name(struct gw_buf *out, const struct gw_metric_family *family,
                           const struct gw_metric_series *series, const char *suffix,
                           const char *bound)
{
    struct gw_slice rest = gw_slice_skip(series->key, sizeof(family->id));
    const char *before = "{";
    bool good = append_text(out, family->name) && append_text(out, suffix);

    for (unsigned i = 0; good && i < family->label_count; i++) {
        good = append_text(out, before) && append_text(out, family->labels[i]) &&
               append_text(out, "=\"") && append_escaped(out, gw_metric_next_value(&rest), true) &&
               gw_buf_append_char(out, '"');
        before = ",";
    }
    if (good && bound)
        good = append_text(out, before) && append_text(out, "le=\"") && append_text(out, bound) &&
               gw_buf_append_char(out, '"');
    if (good && (bound || family->label_count > 0))
        good = gw_buf_append_char(out, '}');
    return good && gw_buf_append_char(out, ' ');
}

static bool render_value(struct gw_buf *out, const struct gw_metric_family *family,
                         const struct gw_metric_series *series)
{
    return gw_metric_render_name(out, family, series, "", NULL) &&
           gw_buf_printf(out, "%" PRId64 "\n", gw_metric_value(family->metrics, series->place));
}

static bool append_count(struct gw_buf *out, uint64_t count)
{
    char line[24] = { [23] = '\n' };
    size_t at = sizeof(line) - 1;

    do
        line[--at] = (char)('0' + count % 10);
    while (count /= 10);
    return gw_buf_append(out, gw_slice(line + at, sizeof(line) - at));
}

static bool render_histogram(struct gw_buf *out, const struct gw_metric_family *family,
                             const struct gw_metric_series *series)
{
    uint64_t buckets[GW_HISTOGRAM_BUCKETS];
    uint64_t sum_us;
    uint64_t count = 0;
    unsigned bucket = 0;
    bool good = true;

    gw_metric_sum_histogram(family->metrics, series->place, &sum_us, buckets);
    for (size_t i = 0; good && i < GW_ARRAY_LEN(bounds); i++) {
        for (; gw_histogram_bound_us(bucket) <= bounds[i].us; bucket++)
            count += buckets[bucket];
        good = gw_metric_render_name(out, family, series, "_bucket", bounds[i].seconds) &&
               append_count(out, count);
    }
    for (; bucket < GW_HISTOGRAM_BUCKETS; bucket++)
        count += buckets[bucket];
    return good && gw_metric_render_name(out, family, series, "_bucket", "+Inf") &&
           append_count(out, count) && gw_metric_render_name(out, family, series, "_sum", NULL) &&
           gw_buf_printf(out, "%" PRIu64 ".%06" PRIu64 "\n", sum_us / 1000000, sum_us % 1000000) &&
           gw_metric_render_name(out, family, series, "_count", NULL) && append_count(out, count);
}

static bool render_head(struct gw_buf *out, const char *name, const char *help, const char *kind)
{
    return gw_buf_printf(out, "# HELP %s ", name) &&
           append_escaped(out, gw_slice_from(help), false) &&
           gw_buf_printf(out, "\n# TYPE %s %s\n", name, kind);
}

static bool render_series(struct gw_buf *out, const struct gw_metric_family *family,
                          const struct gw_metric_series *series)
{
    switch (family->kind) {
    case GW_METRIC_COUNTER:
    case GW_METRIC_GAUGE:
        return render_value(out, family, series);
    case GW_METRIC_HISTOGRAM:
        return render_histogram(out, family, series);
    case GW_METRIC_SUM:
    case GW_METRIC_LEVEL:
        return gw_metric_render_number(out, family, series);
    case GW_METRIC_BUCKETS:
        return gw_metric_render_buckets(out, family, series);
    }
    return true;
}

static bool render_family(struct gw_buf *out, const struct gw_metric_family *family)
{
    const struct gw_metric_series *series =
        atomic_load_explicit(&family->first, memory_order_acquire);

    if (!series || atomic_load_explicit(&family->is_hidden, memory_order_relaxed))
        return true;
    bool good = render_head(out, family->name, family->help, kind_name(family->kind));

    for (; good && series; series = atomic_load_explicit(&series->next, memory_order_acquire))
        good = render_series(out, family, series);
    return good;
}

#define OVERFLOW_NAME "moongate_metrics_overflow_total"

static bool render_overflows(struct gw_buf *out, const struct gw_metric_family *family)
{
    bool good = render_head(out, OVERFLOW_NAME,
                            "Look-ups of a series past its metric's maximum, counted as \"other\".",
                            "counter");

    for (; good && family; family = atomic_load_explicit(&family->next, memory_order_acquire)) {
        uint64_t count = atomic_load_explicit(&family->overflows, memory_order_relaxed);

        if (count)
            good = gw_buf_printf(out, OVERFLOW_NAME "{metric=\"%s\"} %" PRIu64 "\n", family->name,
                                 count);
    }
    return good;
}

bool gw_metrics_render(const struct gw_metrics *metrics, struct gw_buf *out)
{
    const struct gw_metric_family *first =
        atomic_load_explicit(&metrics->first, memory_order_acquire);
    bool good = true;

    for (const struct gw_metric_family *family = first; good && family;
         family = atomic_load_explicit(&family->next, memory_order_acquire))
        good = render_family(out, family);
    return good && render_overflows(out, first);
}
