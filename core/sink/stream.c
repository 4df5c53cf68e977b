/* Lines over a TCP connection that is kept between deliveries. A delivery is done when the kernel
 * has all of it; one that was cut is sent again as a whole on the next connection, so a receiver
 * may see lines twice, and half a line at the end of a connection. */
#include "base/alloc.h"
#include "base/check.h"
#include "net/dial.h"
#include "net/resolver.h"
#include "sink/sink_private.h"

#define SLICES 64

struct gw_sink_stream {
    struct gw_sink *sink;
    struct gw_resolve *resolve;
    struct gw_dial *dial;
    struct gw_conn *conn;
    struct gw_timer timer; /* of the delivery, or of the idle connection */
    bool delivers;
};

static void open_stream(struct gw_sink *sink)
{
    struct gw_sink_stream *stream = gw_alloc_zero(sizeof(*stream));

    stream->sink = sink;
    sink->way.stream = stream;
}

static void drop_connection(struct gw_sink_stream *stream)
{
    gw_timer_stop(&stream->timer);
    if (stream->resolve)
        gw_resolve_cancel(stream->resolve);
    if (stream->dial)
        gw_dial_cancel(stream->dial);
    if (stream->conn)
        gw_conn_close(stream->conn);
    stream->resolve = NULL;
    stream->dial = NULL;
    stream->conn = NULL;
}

static void fail(struct gw_sink_stream *stream, const char *problem)
{
    bool delivered = stream->delivers;

    drop_connection(stream);
    stream->delivers = false;
    if (delivered)
        gw_sink_delivered(stream->sink, problem);
}

static void on_timeout(struct gw_timer *timer)
{
    struct gw_sink_stream *stream = container_of(timer, struct gw_sink_stream, timer);

    fail(stream, stream->dial      ? "connecting takes too long"
                 : stream->resolve ? "resolving its name takes too long"
                                   : "it takes lines too slowly");
}

/* ── the connection ───────────────────────────────────────────────────────── */

static void succeed(struct gw_sink_stream *stream)
{
    struct gw_sink *sink = stream->sink;

    stream->delivers = false;
    gw_timer_start(sink->sinks->loop, &stream->timer, sink->options.keepalive_us, on_timeout);
    gw_sink_delivered(sink, NULL);
}

static void write_batch(struct gw_sink_stream *stream)
{
    const struct gw_sink *sink = stream->sink;
    const struct gw_sink_entry *entry = sink->oldest;
    uint64_t before = gw_conn_bytes_out(stream->conn);
    struct gw_slice slices[SLICES];

    for (unsigned left = sink->batch.count; left > 0;) {
        unsigned count = 0;

        for (; left > 0 && count < SLICES; left--, entry = entry->next)
            slices[count++] = gw_slice(entry->text, entry->len);
        gw_conn_write(stream->conn, slices, count);
    }
    /* Less: the rest waits for room, or it failed, which on_end tells. */
    if (gw_conn_bytes_out(stream->conn) - before == sink->batch.bytes)
        succeed(stream);
}

static void on_read(void *owner, struct gw_slice bytes)
{
    (void)owner; /* nothing it says is of interest */
    (void)bytes;
}

static void on_room(void *owner)
{
    struct gw_sink_stream *stream = owner;

    if (stream->delivers)
        succeed(stream);
}

static void on_end(void *owner, enum gw_error why)
{
    (void)why;
    fail(owner, "it closed the connection");
}

static const struct gw_conn_events events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
};

static void on_dialled(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_sink_stream *stream = ctx;

    stream->dial = NULL;
    if (error) {
        fail(stream, error == GW_E_CONNECT_TIMEOUT ? "connecting takes too long"
                                                   : "no connection is accepted");
        return;
    }
    stream->conn = conn;
    gw_conn_set_write_limit(conn, 0); /* on_room: everything is out */
    gw_conn_bind(conn, &events, stream);
    write_batch(stream);
}

static void dial(struct gw_sink_stream *stream, const struct gw_addr *addr)
{
    const struct gw_sink *sink = stream->sink;

    stream->dial =
        gw_dial_start(sink->sinks->loop, addr, sink->options.timeout_us, on_dialled, stream);
}

static void on_resolved(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_sink_stream *stream = ctx;
    struct gw_random *random = &stream->sink->sinks->loop->random;

    stream->resolve = NULL;
    if (error || answer->count == 0)
        fail(stream, "its name does not resolve");
    else
        dial(stream, &answer->addrs[gw_random_below(random, answer->count)]);
}

static void connect_to(struct gw_sink_stream *stream)
{
    const struct gw_sink *sink = stream->sink;
    const struct gw_sink_options *options = &sink->options;
    struct gw_addr addr;

    if (gw_addr_parse_ip(&addr, options->host, options->port))
        dial(stream, &addr);
    else
        stream->resolve = gw_resolve_start(sink->sinks->loop, options->host.ptr, options->port,
                                           on_resolved, stream);
}

/* ── deliveries ───────────────────────────────────────────────────────────── */

static void deliver(struct gw_sink *sink)
{
    struct gw_sink_stream *stream = sink->way.stream;

    stream->delivers = true;
    gw_timer_start(sink->sinks->loop, &stream->timer, sink->options.timeout_us, on_timeout);
    if (stream->conn)
        write_batch(stream);
    else
        connect_to(stream);
}

static void close_stream(struct gw_sink *sink)
{
    drop_connection(sink->way.stream);
    gw_free(sink->way.stream);
    sink->way.stream = NULL;
}

const struct gw_sink_carrier gw_sink_stream_carrier = {
    .newline = true,
    .batch_max = 1000,
    .open = open_stream,
    .deliver = deliver,
    .close = close_stream,
};
