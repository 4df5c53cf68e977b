/* The way of an attempt to its target: an idle connection to it, a new one, or a stream on one that
 * other requests share. */
#include "http/uri.h"
#include "net/proxy_protocol.h"
#include "net/tls_client.h"
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

/* Goes before TLS and HTTP. Such a connection belongs to this request alone: the next one may be
 * somebody else's, and of a client that left it could never be used again. */
static struct gw_slice proxy_header(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    char text[GW_PROXY_PROTOCOL_WRITE_MAX];
    size_t len = gw_proxy_protocol_write(options->service->proxy_protocol, options->client,
                                         options->local, text);

    return gw_arena_copy(options->arena, gw_slice(text, len));
}

/* ── TLS ───────────────────────────────────────────────────────────────────── */

/* Whom the certificate must be for. Never what the client wrote: what the service is told, or what
 * the target is called where the configuration names it. */
static struct gw_slice server_name(const struct gw_call *call)
{
    const struct gw_service *service = call->options.service;
    const struct gw_target_set *set = call->view ? call->view->set : NULL;

    if (service && service->tls_config->name.len)
        return service->tls_config->name;
    if (!set)
        return call->options.target_host;
    return gw_uri_host(set->how.host_header.len ? set->how.host_header : call->target->authority,
                       NULL);
}

/* Who may use a connection to the target again. */
static struct gw_slice key_of(const struct gw_call *call)
{
    if (!call->tls)
        return call->target->text;
    return gw_tls_client_key(call->tls, call->target->text, server_name(call), call->options.arena);
}

/* ── dialling ──────────────────────────────────────────────────────────────── */

static void on_reached(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_call *call = ctx;

    call->reach = NULL;
    --*gw_pool_pending(call->options.pool);
    if (error) {
        if (!gw_attempt_retry(call, error))
            gw_call_fail(call, error);
        return;
    }
    call->info.connect_us = loop_of(call)->clock.now_us - call->info.started_us;
    activate(call, gw_pool_adopt(call->options.pool, key_of(call), conn, call->options.service,
                                 limits_of(call), call->options.arena));
    gw_call_flush(call);
    gw_call_tell_room(call);
}

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

static void reach(struct gw_call *call, struct gw_slice key)
{
    struct gw_reach_options options = {
        .loop = loop_of(call),
        .addr = &call->target->addr,
        .timeout_us = connect_timeout(call),
        .first = names_client(call) ? proxy_header(call) : GW_SLICE_EMPTY,
    };

    if (!may_wait(call))
        return;
    if (call->tls) {
        options.tls = call->tls;
        options.name = server_name(call);
        options.key = key;
        options.sessions = gw_pool_tls_sessions(call->options.pool);
    }
    call->state = GW_CALL_SEEKING;
    call->reach = gw_reach_start(&options, on_reached, call);
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

static void share_with_others(struct gw_call *call, struct gw_slice key)
{
    struct gw_trunks *trunks = gw_pool_trunks(call->options.pool);
    struct gw_trunk_want want = {
        .addr = &call->target->addr,
        .key = key,
        .service = call->options.service,
        .limits = limits_of(call),
        .arena = call->options.arena,
        .timeout_us = connect_timeout(call),
        .tunnel = call->head.protocol.len > 0,
    };
    struct gw_stream *up;

    if (gw_trunks_refuse(trunks, &want)) {
        gw_call_fail_later(call, GW_E_NO_TUNNEL);
        return;
    }
    up = gw_trunks_open(trunks, &want);
    if (!up && call->tls) {
        want.tls = call->tls;
        want.name = server_name(call);
        want.sessions = gw_pool_tls_sessions(call->options.pool);
    }
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
    struct gw_slice key = key_of(call);

    if (call->shares) {
        share_with_others(call, key);
        return;
    }

    struct gw_stream *up = call->must_be_fresh || names_client(call)
                               ? NULL
                               : gw_pool_take(call->options.pool, key, call->options.service,
                                              limits_of(call), call->options.arena);

    if (!up) {
        reach(call, key);
        return;
    }
    call->info.reused = true;
    activate(call, up);
    gw_call_flush(call);
}

void gw_attempt_stop_connecting(struct gw_call *call)
{
    if (call->reach) {
        gw_reach_cancel(call->reach);
        --*gw_pool_pending(call->options.pool);
    }
    if (call->wait) {
        gw_trunk_wait_cancel(call->wait);
        --*gw_pool_pending(call->options.pool);
    }
    call->reach = NULL;
    call->wait = NULL;
}
