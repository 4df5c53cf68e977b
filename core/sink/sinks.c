/* The sinks of the process: found by their settings, counted by who uses them, and the bookkeeping
 * of their lines. A sink leaves the list on the thread that delivers it, because nobody else knows
 * when the last line is out. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "net/tls_client.h"
#include "sink/sink_private.h"
#include "upstream/pool.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const kinds[] = {
    [GW_SINK_FILE] = "file",     [GW_SINK_TCP] = "tcp",   [GW_SINK_UDP] = "udp",
    [GW_SINK_SYSLOG] = "syslog", [GW_SINK_HTTP] = "http",
};

static const struct gw_sink_carrier *const carriers[] = {
    [GW_SINK_FILE] = NULL,
    [GW_SINK_TCP] = &gw_sink_stream_carrier,
    [GW_SINK_UDP] = &gw_sink_datagram_carrier,
    [GW_SINK_SYSLOG] = &gw_sink_datagram_carrier,
    [GW_SINK_HTTP] = &gw_sink_http_carrier,
};

struct gw_sinks *gw_sinks_new(const struct gw_sinks_options *options)
{
    struct gw_sinks *sinks = gw_alloc_zero(sizeof(*sinks));

    sinks->loop = options->loop;
    sinks->alone = options->alone;
    sinks->no_datagrams = options->no_datagrams;
    pthread_mutex_init(&sinks->lock, NULL);
    gw_list_init(&sinks->all);
    return sinks;
}

/* ── what a sink is known by ──────────────────────────────────────────────── */

static void add_text(struct gw_buf *key, struct gw_slice text)
{
    gw_buf_printf(key, "%zu:", text.len);
    gw_buf_append(key, text);
}

static void write_key(struct gw_buf *key, const struct gw_sink_options *options)
{
    const struct gw_sink_limits *limits = &options->limits;

    gw_buf_printf(key, "%s %u %zu %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " ",
                  kinds[options->kind], limits->max_entries, limits->max_bytes,
                  limits->max_batch_size, limits->max_coalescing_delay_us,
                  limits->initial_retry_delay_us, limits->max_retry_delay_us,
                  limits->max_retry_time_us);
    gw_buf_printf(key, "%d %d %u %" PRIu64 " %" PRIu64 " ", options->reopen, options->tls,
                  options->port, options->timeout_us, options->keepalive_us);
    add_text(key, options->path);
    add_text(key, options->host);
    add_text(key, options->authority);
    add_text(key, options->method);
    add_text(key, options->target);
    for (unsigned i = 0; i < options->headers.count; i++) {
        add_text(key, options->headers.items[i].name);
        add_text(key, options->headers.items[i].value);
    }
}

static struct gw_sink *find(struct gw_sinks *sinks, struct gw_slice key)
{
    GW_LIST_EACH(&sinks->all, node) {
        struct gw_sink *sink = container_of(node, struct gw_sink, node);

        if (gw_slice_equal(sink->key, key))
            return sink;
    }
    return NULL;
}

/* Of what may be seen: no path, query or user of a URL, where tokens stand. */
static void choose_name(struct gw_sink *sink)
{
    const struct gw_sink_options *options = &sink->options;
    const char *kind = kinds[options->kind];

    if (options->host.len)
        snprintf(sink->name, sizeof(sink->name), "%s:%.*s:%u", kind, GW_SLICE_ARG(options->host),
                 (unsigned)options->port);
    else
        snprintf(sink->name, sizeof(sink->name), "%s:%.*s", kind, GW_SLICE_ARG(options->path));
    for (char *at = sink->name; *at; at++)
        if ((unsigned char)*at <= ' ' || *at == '"' || *at == '\\' || *at == 0x7f)
            *at = '_';
}

/* ── life ─────────────────────────────────────────────────────────────────── */

static void copy_options(struct gw_sink *sink, const struct gw_sink_options *options)
{
    struct gw_arena *arena = sink->arena;
    struct gw_sink_options *own = &sink->options;

    *own = *options;
    own->path = gw_arena_copy(arena, options->path);
    own->host = gw_arena_copy(arena, options->host);
    own->authority = gw_arena_copy(arena, options->authority);
    own->method = gw_arena_copy(arena, options->method);
    own->target = gw_arena_copy(arena, options->target);
    own->headers = (struct gw_fields){ NULL, 0, 0 };
    gw_fields_copy_deep(&own->headers, arena, &options->headers);
    if (!own->limits.max_batch_size)
        own->limits.max_batch_size = 1;
}

/* For gw_sinks_options.no_datagrams. */
static void use_stream(struct gw_sink *sink)
{
    struct gw_sink_options *options = &sink->options;

    if (!sink->sinks->no_datagrams || sink->carrier != &gw_sink_datagram_carrier)
        return;
    sink->carrier = &gw_sink_stream_carrier;
    options->timeout_us = options->keepalive_us = 10000000;
    if (options->kind != GW_SINK_SYSLOG)
        return;
    options->host = GW_SLICE("syslog");
    options->port = 514;
}

static struct gw_sink *new_sink(struct gw_sinks *sinks, const struct gw_sink_options *options,
                                struct gw_slice key, struct gw_tls_client *tls)
{
    struct gw_sink *sink = gw_alloc_zero(sizeof(*sink));
    const struct gw_sink_limits *limits = &sink->options.limits;

    sink->sinks = sinks;
    sink->tls = tls;
    sink->arena = gw_arena_new();
    sink->key = gw_arena_copy(sink->arena, key);
    sink->carrier = carriers[options->kind];
    sink->wake.deliver = gw_sink_on_wake;
    copy_options(sink, options);
    sink->queue = gw_sink_queue_new(limits->max_entries, limits->max_bytes,
                                    limits->max_batch_size > 1 ? limits->max_batch_size : 0);
    choose_name(sink);
    use_stream(sink);
    if (sink->carrier)
        sink->carrier->open(sink);
    else
        gw_sink_file_open(sink);
    gw_list_append(&sinks->all, &sink->node);
    return sink;
}

struct gw_sink *gw_sinks_open(struct gw_sinks *sinks, const struct gw_sink_options *options,
                              char *why, size_t why_size)
{
    struct gw_slice path = options->path;
    char *copy = gw_strndup(path.ptr ? path.ptr : "", path.len);
    const char *problem = options->kind == GW_SINK_FILE ? gw_sink_file_problem(copy) : NULL;
    struct gw_buf key;

    gw_free(copy);
    if (problem) {
        snprintf(why, why_size, "cannot write %.*s: %s", GW_SLICE_ARG(path), problem);
        return NULL;
    }
    gw_buf_init(&key, SIZE_MAX / 2);
    write_key(&key, options);
    pthread_mutex_lock(&sinks->lock);

    struct gw_sink *sink = find(sinks, gw_buf_slice(&key));

    if (!sink) {
        struct gw_tls_client *tls =
            options->tls ? gw_sink_http_client(options, why, why_size) : NULL;

        if (tls || !options->tls)
            sink = new_sink(sinks, options, gw_buf_slice(&key), tls);
    }
    if (sink)
        sink->users++;
    pthread_mutex_unlock(&sinks->lock);
    gw_buf_deinit(&key);
    return sink;
}

static bool is_written_by_thread(const struct gw_sink *sink)
{
    return !sink->carrier && !sink->sinks->alone;
}

static void wake(struct gw_sink *sink)
{
    struct gw_sinks *sinks = sink->sinks;

    if (!is_written_by_thread(sink))
        gw_sink_post(sink);
    else if (sinks->wake_writer)
        sinks->wake_writer(sinks->wake_writer_ctx);
}

void gw_sink_close(struct gw_sink *sink)
{
    struct gw_sinks *sinks = sink->sinks;

    /* Waking with the lock held: without it, whoever delivers the sink could free it before. */
    pthread_mutex_lock(&sinks->lock);
    GW_ASSERT(sink->users > 0);
    if (--sink->users == 0 && !sinks->stopped)
        wake(sink);
    pthread_mutex_unlock(&sinks->lock);
}

bool gw_sink_put(struct gw_sink *sink, struct gw_slice line)
{
    enum gw_sink_put outcome =
        gw_sink_queue_put(sink->queue, line, !sink->carrier || sink->carrier->newline);

    if (outcome == GW_SINK_PUT_WAKE)
        wake(sink);
    return outcome != GW_SINK_FULL;
}

bool gw_sink_retire(struct gw_sink *sink)
{
    struct gw_sinks *sinks = sink->sinks;

    pthread_mutex_lock(&sinks->lock);
    bool retires =
        sink->users == 0 && gw_sink_queue_entries(sink->queue) == 0 && !atomic_load(&sink->waking);

    if (retires)
        gw_list_remove(&sink->node);
    pthread_mutex_unlock(&sinks->lock);
    return retires;
}

void gw_sink_free(struct gw_sink *sink)
{
    unsigned left = gw_sink_queue_entries(sink->queue);

    if (left)
        gw_warn("sink %s: lines that were not delivered before the end: %u", sink->name, left);
    if (!sink->carrier)
        gw_sink_file_free(sink);
    gw_sink_release(sink, sink->taken);
    gw_sink_queue_free(sink->queue);
    gw_tls_client_unref(sink->tls);
    gw_arena_free(sink->arena);
    gw_free(sink);
}

void gw_sinks_free(struct gw_sinks *sinks)
{
    GW_LIST_EACH(&sinks->all, node) {
        struct gw_sink *sink = container_of(node, struct gw_sink, node);

        GW_ASSERT(sink->users == 0);
        gw_list_remove(node);
        gw_sink_free(sink);
    }
    pthread_mutex_destroy(&sinks->lock);
    gw_free(sinks);
}

/* ── lines ────────────────────────────────────────────────────────────────── */

bool gw_sink_take(struct gw_sink *sink, bool sleeps)
{
    struct gw_sink_entry *more = gw_sink_queue_take(sink->queue, sleeps && !sink->taken);

    if (sink->taken)
        sink->youngest->next = more;
    else
        sink->oldest = more;
    for (; more; more = more->next) {
        sink->youngest = more;
        sink->taken++;
    }
    return sink->taken > 0;
}

void gw_sink_release(struct gw_sink *sink, unsigned count)
{
    GW_ASSERT(count <= sink->taken);
    for (; count > 0; count--) {
        struct gw_sink_entry *entry = sink->oldest;

        sink->oldest = entry->next;
        sink->taken--;
        gw_sink_queue_release(sink->queue, entry);
    }
}

uint64_t gw_sink_missing(const struct gw_sink *sink)
{
    return gw_sink_queue_dropped(sink->queue) +
           atomic_load_explicit(&sink->lost, memory_order_relaxed);
}

/* ── files ────────────────────────────────────────────────────────────────── */

void gw_sinks_attach_writer(struct gw_sinks *sinks, void (*wake_writer)(void *ctx), void *ctx)
{
    pthread_mutex_lock(&sinks->lock);
    sinks->wake_writer = wake_writer;
    sinks->wake_writer_ctx = ctx;
    pthread_mutex_unlock(&sinks->lock);
}

/* The next file behind `sink` (NULL: the first), which only the caller may take out of the list. */
static struct gw_sink *next_file(struct gw_sinks *sinks, struct gw_sink *sink)
{
    struct gw_sink *next = NULL;

    pthread_mutex_lock(&sinks->lock);
    for (struct gw_list_node *node = sink ? sink->node.next : sinks->all.root.next;
         node != &sinks->all.root && !next; node = node->next) {
        next = container_of(node, struct gw_sink, node);
        if (next->carrier)
            next = NULL;
    }
    pthread_mutex_unlock(&sinks->lock);
    return next;
}

bool gw_sinks_write_files(struct gw_sinks *sinks, bool last)
{
    struct gw_sink *next;
    bool any = false;

    GW_ASSERT(!sinks->alone);
    for (struct gw_sink *sink = next_file(sinks, NULL); sink; sink = next) {
        bool wrote = gw_sink_file_write(sink, last);

        any |= wrote;
        next = next_file(sinks, sink);
        if (!wrote && gw_sink_retire(sink))
            gw_sink_free(sink);
    }
    return any;
}

void gw_sinks_reopen_files(struct gw_sinks *sinks)
{
    atomic_fetch_add(&sinks->reopened, 1);
}

/* ── for metrics ──────────────────────────────────────────────────────────── */

/* The info of that name; the next free one where there is none, NULL where none is left. */
static struct gw_sink_info *info_of(const struct gw_sink *sink, struct gw_sink_info *infos,
                                    unsigned *count, unsigned size)
{
    for (unsigned i = 0; i < *count; i++)
        if (strcmp(infos[i].name, sink->name) == 0)
            return &infos[i];
    if (*count == size)
        return NULL;

    struct gw_sink_info *info = &infos[(*count)++];

    *info = (struct gw_sink_info){ 0 };
    memcpy(info->name, sink->name, sizeof(info->name));
    return info;
}

unsigned gw_sinks_list(struct gw_sinks *sinks, struct gw_sink_info *infos, unsigned size)
{
    unsigned count = 0;

    pthread_mutex_lock(&sinks->lock);
    GW_LIST_EACH(&sinks->all, node) {
        const struct gw_sink *sink = container_of(node, struct gw_sink, node);
        struct gw_sink_info *info = info_of(sink, infos, &count, size);

        if (!info)
            continue;
        info->sent += atomic_load_explicit(&sink->sent, memory_order_relaxed);
        info->lost += atomic_load_explicit(&sink->lost, memory_order_relaxed);
        info->failures += atomic_load_explicit(&sink->failures, memory_order_relaxed);
        info->dropped += gw_sink_queue_dropped(sink->queue);
        info->entries += gw_sink_queue_entries(sink->queue);
        info->bytes += gw_sink_queue_bytes(sink->queue);
    }
    pthread_mutex_unlock(&sinks->lock);
    return count;
}
