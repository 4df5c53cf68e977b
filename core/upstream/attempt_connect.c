/* The way of an attempt to its target: an idle connection to it, a new one, or a stream on one that
 * other requests share. */
#include "net/proxy_protocol.h"
#include "upstream/call_private.h"

#define CONNECT_TIMEOUT_US 60000000ull

static struct gw_loop *loop_of(const struct gw_call *call)
{
    return call->options.loop;
}

static const struct gw_limits *limits_of(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;

    return options->limits ? options->limits : options->service ? &options->service->limits : NULL;
}

static void activate(struct gw_call *call, struct gw_stream *up)
{
    call->up = up;
    call->state = GW_CALL_ACTIVE;
    gw_stream_bind(up, &gw_call_events, call);
    if (call->held)
        gw_stream_hold(up, true);
}

static bool names_client(const struct gw_call *call)
{
    return call->options.service && call->options.service->proxy_protocol;
}

/* Before the first byte of HTTP. Such a connection belongs to this request alone: the next one may
 * be somebody else's, and of a client that left it could never be used again. */
static void name_client(struct gw_call *call, struct gw_conn *conn)
{
    const struct gw_call_options *options = &call->options;
    char text[GW_PROXY_PROTOCOL_WRITE_MAX];
    size_t len = gw_proxy_protocol_write(options->service->proxy_protocol, options->client,
                                         options->local, text);
    struct gw_slice header = gw_slice(text, len);

    gw_conn_write(conn, &header, 1);
}

static void on_dialled(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_call *call = ctx;

    call->dial = NULL;
    --*gw_pool_pending(call->options.pool);
    if (error) {
        if (!gw_attempt_retry(call, error))
            gw_call_fail(call, error);
        return;
    }
    call->info.connect_us = loop_of(call)->clock.now_us - call->info.started_us;
    if (names_client(call))
        name_client(call, conn);
    activate(call, gw_pool_adopt(call->options.pool, call->target->text, conn,
                                 call->options.service, limits_of(call), call->options.arena));
    gw_call_flush(call);
    gw_call_tell_room(call);
}

/* ── dialling ──────────────────────────────────────────────────────────────── */

static uint64_t connect_timeout(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;

    return options->connect_timeout_us ? options->connect_timeout_us
           : options->service          ? options->service->connect_timeout_us
                                       : CONNECT_TIMEOUT_US;
}

/* One more that waits for a connection, unless they are too many. */
static bool may_wait(struct gw_call *call)
{
    unsigned *pending = gw_pool_pending(call->options.pool);
    unsigned limit = limits_of(call) ? limits_of(call)->pending : 0;

    if (limit && *pending >= limit) {
        gw_call_fail_later(call, GW_E_OVERLOADED);
        return false;
    }
    ++*pending;
    return true;
}

static void dial(struct gw_call *call)
{
    if (!may_wait(call))
        return;
    call->state = GW_CALL_SEEKING;
    call->dial =
        gw_dial_start(loop_of(call), &call->target->addr, connect_timeout(call), on_dialled, call);
}

/* ── sharing a connection ──────────────────────────────────────────────────── */

static void on_stream(void *ctx, struct gw_stream *stream, enum gw_error error)
{
    struct gw_call *call = ctx;

    call->wait = NULL;
    --*gw_pool_pending(call->options.pool);
    if (error) {
        if (!gw_attempt_retry(call, error))
            gw_call_fail(call, error);
        return;
    }
    call->info.connect_us = loop_of(call)->clock.now_us - call->info.started_us;
    activate(call, stream);
    gw_call_flush(call);
    gw_call_tell_room(call);
}

static void share_with_others(struct gw_call *call)
{
    struct gw_trunks *trunks = gw_pool_trunks(call->options.pool);
    struct gw_trunk_want want = {
        .addr = &call->target->addr,
        .address = call->target->text,
        .service = call->options.service,
        .limits = limits_of(call),
        .arena = call->options.arena,
        .timeout_us = connect_timeout(call),
    };
    struct gw_stream *up = gw_trunks_open(trunks, &want);

    if (up) {
        call->info.reused = true;
        activate(call, up);
        gw_call_flush(call);
    } else if (may_wait(call)) {
        call->state = GW_CALL_SEEKING;
        call->wait = gw_trunks_wait(trunks, &want, on_stream, call);
    }
}

/* ── for attempt.c ─────────────────────────────────────────────────────────── */

void gw_attempt_connect(struct gw_call *call)
{
    if (call->shares) {
        share_with_others(call);
        return;
    }

    struct gw_stream *up =
        call->must_be_fresh || names_client(call)
            ? NULL
            : gw_pool_take(call->options.pool, call->target->text, call->options.service,
                           limits_of(call), call->options.arena);

    if (!up) {
        dial(call);
        return;
    }
    call->info.reused = true;
    activate(call, up);
    gw_call_flush(call);
}

void gw_attempt_stop_connecting(struct gw_call *call)
{
    if (call->dial) {
        gw_dial_cancel(call->dial);
        --*gw_pool_pending(call->options.pool);
    }
    if (call->wait) {
        gw_trunk_wait_cancel(call->wait);
        --*gw_pool_pending(call->options.pool);
    }
    call->dial = NULL;
    call->wait = NULL;
}
