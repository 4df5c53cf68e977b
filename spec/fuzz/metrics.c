/* Labels of metrics: whatever they hold, each series stays one line that Prometheus reads. */
#include "fuzz.h"

#include "base/log.h"
#include "base/utf8.h"
#include "telemetry/metrics.h"

static bool take(struct gw_slice *rest, const char *text)
{
    if (!gw_slice_starts_with(*rest, gw_slice_from(text)))
        return false;
    *rest = gw_slice_skip(*rest, strlen(text));
    return true;
}

/* A quoted value: only \\, \" and \n are escapes. */
static bool take_quoted(struct gw_slice *rest)
{
    if (!take(rest, "\""))
        return false;
    while (rest->len && rest->ptr[0] != '"') {
        size_t len = gw_utf8_length(*rest);

        if (rest->ptr[0] == '\\')
            len = rest->len > 1 && rest->ptr[1] && strchr("\\\"n", rest->ptr[1]) ? 2 : 0;
        if (len == 0)
            return false;
        *rest = gw_slice_skip(*rest, len);
    }
    return take(rest, "\"");
}

static bool is_series(struct gw_slice line)
{
    if (!take(&line, "fuzz_total{a=") || !take_quoted(&line) || !take(&line, ",b=") ||
        !take_quoted(&line) || !take(&line, "} "))
        return false;
    return line.len == 1 && line.ptr[0] >= '1' && line.ptr[0] <= '9';
}

static void check_page(struct gw_slice page, unsigned most)
{
    struct gw_slice line;
    unsigned series = 0;

    FUZZ_CHECK(page.len && page.ptr[page.len - 1] == '\n', "no end");
    while (page.len) {
        line =
            gw_slice(page.ptr, (size_t)((const char *)memchr(page.ptr, '\n', page.len) - page.ptr));
        page = gw_slice_skip(page, line.len + 1);
        if (take(&line, "# ") || take(&line, "moongate_metrics_overflow_total{"))
            continue;
        FUZZ_CHECK(is_series(line), "%.*s", GW_SLICE_ARG(line));
        series++;
    }
    FUZZ_CHECK(series >= 1 && series <= most, "%u series", series);
}

GW_FUZZ_TARGET(metrics)
{
    char *owned;
    struct gw_slice rest = fuzz_copy(data, size, &owned);
    struct gw_metrics *metrics = gw_metrics_new(1);
    struct gw_metric_def def = { .name = "fuzz_total",
                                 .help = "What came.",
                                 .kind = GW_METRIC_COUNTER,
                                 .labels = { "a", "b" },
                                 .max_series = 3 };
    struct gw_metric_family *family = gw_metrics_family(metrics, &def);
    struct gw_buf page;
    enum gw_log_level level = gw_log_level();

    gw_log_set_level(GW_LOG_ERROR); /* it warns of the overflow */
    for (int i = 0; i < 5; i++) {
        const char *end = rest.len ? memchr(rest.ptr, 0xfe, rest.len) : NULL;
        struct gw_slice text = gw_slice(rest.ptr, end ? (size_t)(end - rest.ptr) : rest.len);
        struct gw_slice values[] = { text, gw_slice_skip(text, text.len / 2) };

        gw_metric_add(metrics, gw_metric_series(family, values), 0, 1);
        rest = gw_slice_skip(rest, text.len + 1);
    }
    gw_buf_init(&page, SIZE_MAX / 2);
    gw_log_set_level(level);
    FUZZ_CHECK(gw_metrics_render(metrics, &page), "does not render");
    check_page(gw_buf_slice(&page), 4); /* three, and "other" */
    gw_buf_deinit(&page);
    gw_metrics_free(metrics);
    free(owned);
    return 0;
}
