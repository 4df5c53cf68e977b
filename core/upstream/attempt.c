/* One try of a call: find an address, take an idle connection to it or dial, and the decision
 * whether another try may follow.
 *
 * The rule of trying again: only when no byte of the request reached the kernel, or when the method
 * is idempotent; and only when all of the request is still here. That a connection was reused
 * changes how many tries there are (one more), never the rule. */
#include "base/log.h"
#include "http/h1.h"
#include "net/proxy_protocol.h"
#include "upstream/call_private.h"

#define CONNECT_TIMEOUT_US 60000000ull

static struct gw_loop *loop_of(const struct gw_call *call)
{
    return call->options.loop;
}

/* ── choosing ──────────────────────────────────────────────────────────────── */

static struct gw_upstream *upstream_of(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;

    if (options->upstream || options->target_host.len || !options->service)
        return options->upstream;
    return options->service->upstream;
}

static void note_tried(struct gw_call *call)
{
    if (!call->view || call->chosen < 0)
        return;
    if (!call->tried)
        call->tried = gw_arena_alloc_zero(call->options.arena, call->view->set->count);
    call->tried[call->chosen] = true;
}

static struct gw_target *choose(struct gw_call *call)
{
    if (!call->view)
        return call->foreign[call->info.tries % call->foreign_count];

    struct gw_balance_ask ask = {
        .tried = call->tried,
        .now_us = loop_of(call)->clock.now_us,
        .hash = call->hash,
        .hashed = call->hashed,
    };

    call->chosen = gw_view_choose(call->view, &ask);
    return call->chosen < 0 ? NULL : call->view->set->items[call->chosen].target;
}

/* The Host of the target; what the owner wrote stays where target and upstream have none. */
static void set_authority(struct gw_call *call)
{
    const struct gw_target_set *set = call->view ? call->view->set : NULL;

    if (!call->options.authority_of_target || !set || !set->how.own_host)
        return;
    call->head.authority =
        set->how.host_header.len ? set->how.host_header : call->target->authority;
}

static void note_target(struct gw_call *call, struct gw_target *target)
{
    struct gw_call_info *info = &call->info;

    call->target = target;
    atomic_fetch_add_explicit(&target->vitals.active, 1, memory_order_relaxed);
    memcpy(info->target, target->text.ptr, target->text.len);
    info->target[target->text.len] = '\0';
    info->tries++;
    info->reused = false;
    info->connect_us = 0;
    info->started_us = loop_of(call)->clock.now_us;
    set_authority(call);
}

static void release_target(struct gw_call *call)
{
    if (!call->target)
        return;
    atomic_fetch_sub_explicit(&call->target->vitals.active, 1, memory_order_relaxed);
    call->target = NULL;
}

static const struct gw_limits *limits_of(const struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;

    return options->limits ? options->limits : options->service ? &options->service->limits : NULL;
}

/* ── connecting ────────────────────────────────────────────────────────────── */

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

static void connect_to(struct gw_call *call, struct gw_target *target)
{
    note_target(call, target);
    if (call->shares) {
        share_with_others(call);
        return;
    }

    struct gw_stream *up =
        call->must_be_fresh || names_client(call)
            ? NULL
            : gw_pool_take(call->options.pool, target->text, call->options.service, limits_of(call),
                           call->options.arena);

    if (!up) {
        dial(call);
        return;
    }
    call->info.reused = true;
    activate(call, up);
    gw_call_flush(call);
}

/* ── names outside the registry ────────────────────────────────────────────── */

static void on_resolved(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_call *call = ctx;

    call->resolve = NULL;
    if (error || answer->count == 0) {
        gw_call_fail(call, GW_E_RESOLVE);
        return;
    }
    for (unsigned i = 0; i < answer->count && i < GW_CALL_FOREIGN_MAX; i++)
        call->foreign[call->foreign_count++] =
            gw_target_new(&answer->addrs[i], call->options.target_host);
    connect_to(call, choose(call));
    gw_call_tell_room(call);
}

static void resolve_foreign(struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    struct gw_slice host = gw_arena_copy(options->arena, options->target_host);
    struct gw_addr addr;

    if (gw_addr_parse_ip(&addr, host, options->target_port)) {
        call->foreign[call->foreign_count++] = gw_target_new(&addr, host);
        connect_to(call, choose(call));
        return;
    }
    call->state = GW_CALL_SEEKING;
    call->resolve =
        gw_resolve_start(options->loop, host.ptr, options->target_port, on_resolved, call);
}

static void look_at(struct gw_call *call, struct gw_upstream *upstream)
{
    const struct gw_call_options *options = &call->options;

    call->view = gw_views_get(gw_pool_views(options->pool), upstream, &loop_of(call)->random);

    const struct gw_balancing *how = &call->view->set->how;

    if (how->hash[0].on != GW_HASH_NONE && options->hash)
        call->hashed = options->hash(options->hash_ctx, how, &call->hash);
}

void gw_attempt_start(struct gw_call *call)
{
    struct gw_upstream *upstream = upstream_of(call);

    if (call->options.target_host.len && !call->options.upstream && !call->foreign_count) {
        resolve_foreign(call);
        return;
    }
    if (upstream && !call->view)
        look_at(call, upstream);

    struct gw_target *target = call->view || call->foreign_count ? choose(call) : NULL;

    if (!target) {
        gw_call_fail_later(call, call->view ? call->view->set->why_empty : GW_E_NO_TARGET);
        return;
    }
    connect_to(call, target);
}

/* ── the end of a try ──────────────────────────────────────────────────────── */

void gw_attempt_learn(struct gw_call *call, enum gw_error error)
{
    const uint64_t failed_us = 1000000; /* an error that comes fast makes no target fast */
    uint64_t now_us = loop_of(call)->clock.now_us;

    if (!call->target || !call->view || !gw_view_learns(call->view))
        return;
    if (error && gw_error_info(error)->side != GW_SIDE_UPSTREAM)
        return;
    gw_vitals_observe(&call->target->vitals,
                      now_us - call->info.started_us + (error ? failed_us : 0),
                      call->view->balance.rules.decay_us, now_us);
}

void gw_attempt_end(struct gw_call *call, enum gw_error why)
{
    struct gw_stream *up = call->up;

    if (call->resolve)
        gw_resolve_cancel(call->resolve);
    if (call->dial) {
        gw_dial_cancel(call->dial);
        --*gw_pool_pending(call->options.pool);
    }
    if (call->wait) {
        gw_trunk_wait_cancel(call->wait);
        --*gw_pool_pending(call->options.pool);
    }
    call->resolve = NULL;
    call->dial = NULL;
    call->wait = NULL;
    call->up = NULL;
    if (up)
        gw_stream_close(up, why);
    release_target(call);
}

static bool may_retry(struct gw_call *call, enum gw_error why)
{
    if (call->final_head || call->interim || call->body_sent)
        return false;
    switch (gw_error_info(why)->retry) {
    case GW_RETRY_NEVER:
        return false;
    case GW_RETRY_ALWAYS:
        if (call->retries_left == 0)
            return false;
        call->retries_left--;
        note_tried(call);
        return true;
    case GW_RETRY_IF_UNSENT_OR_IDEMPOTENT:
        /* Only the race with a server that closes an idle connection, and only once: the next try
         * gets a connection of its own. */
        if (!call->info.reused || call->must_be_fresh)
            return false;
        if (gw_stream_sent(call->up) && !gw_method_idempotent(call->head.method))
            return false;
        call->must_be_fresh = true;
        return true;
    }
    return false;
}

/* For the log: only those that failed are kept, so that a plain request pays nothing. */
static void note_failed(struct gw_call *call, enum gw_error why)
{
    struct gw_call_info *info = &call->info;

    if (info->tries > GW_CALL_TRIES_KEPT)
        return;

    struct gw_try *failed = gw_arena_alloc(call->options.arena, sizeof(*failed));

    *failed = (struct gw_try){
        .before = info->failed,
        .target = gw_arena_copy(call->options.arena, gw_slice_from(info->target)),
        .started_us = info->started_us,
        .error = why,
    };
    info->failed = failed;
}

bool gw_attempt_retry(struct gw_call *call, enum gw_error why)
{
    if (!call->final_head)
        gw_attempt_learn(call, why);
    if (!may_retry(call, why))
        return false;
    gw_debug("call %.*s: %s: %s; trying again", GW_SLICE_ARG(call->options.correlation_id),
             call->info.target, gw_error_info(why)->text);
    note_failed(call, why);
    gw_attempt_end(call, why);
    call->body_at = 0;
    call->blocked = call->request_whole = false;
    call->info.sent_us = 0;
    call->state = GW_CALL_SEEKING;
    gw_call_set_timer(call);
    gw_attempt_start(call);
    gw_call_tell_room(call);
    return true;
}
