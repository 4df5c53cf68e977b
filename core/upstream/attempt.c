/* One try of a call: find an address, connect to it (attempt_connect.c), and end it. Whether
 * another one follows is decided in attempt_retry.c. */
#include "http/h1.h"
#include "upstream/call_private.h"
#include "upstream/complaints.h"
#include "upstream/health.h"
#include "upstream/registry_private.h"

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

static void note_panic(const struct gw_call *call, enum gw_balance_why why)
{
    struct gw_upstream *upstream = upstream_of(call);

    if (why == GW_BALANCE_PANIC)
        atomic_fetch_add_explicit(&upstream->panicked, 1, memory_order_relaxed);
    else if (call->view->set->count > 0)
        atomic_fetch_add_explicit(&upstream->panic_failed, 1, memory_order_relaxed);
}

static struct gw_target *choose_foreign(struct gw_call *call)
{
    struct gw_target *target = call->foreign[call->info.tries % call->foreign_count];

    gw_vitals_enter(&target->vitals, 0);
    return target;
}

static struct gw_target *pick(struct gw_call *call, const bool *tried)
{
    struct gw_balance_ask ask = {
        .tried = tried,
        .now_us = loop_of(call)->clock.now_us,
        .hash = call->hash,
        .hashed = call->hashed,
        .stays = call->sticky && call->stuck >= 0,
    };

    if (ask.stays)
        ask.stuck = (unsigned)call->stuck;

    enum gw_balance_why why;

    call->chosen = gw_view_choose(call->view, &ask, &why);
    if (why == GW_BALANCE_PANIC || why == GW_BALANCE_NONE)
        note_panic(call, why);
    if (!tried && call->view->set->count > 0)
        gw_note_mood(upstream_of(call), call->view->set, why);
    return call->chosen < 0 ? NULL : call->view->set->items[call->chosen].target;
}

/* What is full is passed over like what was tried. */
static void pass_over(struct gw_call *call)
{
    unsigned count = call->view->set->count;

    if (!call->full)
        call->full = gw_arena_alloc_zero(call->options.arena, count);
    call->full[call->chosen] = true;
}

struct gw_target *gw_attempt_choose(struct gw_call *call, bool *all_full)
{
    const struct gw_target_set *set = call->view->set;
    unsigned most = set->how.capacity.max_requests_per_target;
    struct gw_target *target = pick(call, call->tried);

    *all_full = false;
    if (!target || gw_vitals_enter(&target->vitals, most))
        return target;
    if (call->full)
        memset(call->full, 0, set->count);
    for (unsigned i = 1; i < set->count; i++) {
        pass_over(call);
        for (unsigned k = 0; call->tried && k < set->count; k++)
            call->full[k] |= call->tried[k];
        target = pick(call, call->full);
        if (!target)
            break;
        if (gw_vitals_enter(&target->vitals, most))
            return target;
    }
    *all_full = true;
    return NULL;
}

/* A port is written where it is not the one that goes without saying; targets do not know that
 * they are spoken to over TLS. */
static struct gw_slice authority_over_tls(struct gw_call *call, struct gw_slice authority)
{
    const struct gw_slice port = GW_SLICE(":443");
    size_t len = authority.len;

    if (len > port.len && memcmp(authority.ptr + len - port.len, port.ptr, port.len) == 0)
        return gw_slice(authority.ptr, len - port.len);
    if (gw_addr_port(&call->target->addr) == 80)
        return gw_arena_printf(call->options.arena, "%.*s:80", GW_SLICE_ARG(authority));
    return authority;
}

/* The Host of the target; what the owner wrote stays where target and upstream have none. */
static void set_authority(struct gw_call *call)
{
    const struct gw_target_set *set = call->view ? call->view->set : NULL;

    if (!call->options.authority_of_target || !set || !set->how.own_host)
        return;
    call->head.authority =
        set->how.host_header.len ? set->how.host_header : call->target->authority;
    if (call->tls && !set->how.host_header.len)
        call->head.authority = authority_over_tls(call, call->head.authority);
}

/* The client learns where it is unless it knows that. */
static void note_session(struct gw_call *call)
{
    const struct gw_target_set *set = call->view->set;

    call->info.set_cookie = GW_SLICE_EMPTY;
    if (call->chosen != call->stuck)
        call->info.set_cookie =
            gw_arena_printf(call->options.arena, "%.*s=%.*s%.*s",
                            GW_SLICE_ARG(set->how.sticky.cookie), GW_STICKY_TAG_LEN,
                            set->items[call->chosen].tag, GW_SLICE_ARG(set->how.sticky.attributes));
}

static void note_target(struct gw_call *call, struct gw_target *target)
{
    struct gw_call_info *info = &call->info;

    call->target = target;
    memcpy(info->target, target->text.ptr, target->text.len);
    info->target[target->text.len] = '\0';
    info->tries++;
    info->reused = false;
    info->connect_us = 0;
    info->started_us = loop_of(call)->clock.now_us;
    set_authority(call);
    if (call->sticky)
        note_session(call);
    gw_retry_watch(call);
}

static void release_target(struct gw_call *call)
{
    if (!call->target)
        return;
    gw_vitals_leave(&call->target->vitals);
    call->target = NULL;
    gw_place_leave(call);
}

void gw_attempt_go_to(struct gw_call *call, struct gw_target *target)
{
    note_target(call, target);
    gw_attempt_connect(call);
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
    gw_attempt_go_to(call, choose_foreign(call));
    gw_call_tell_room(call);
}

static void resolve_foreign(struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    struct gw_slice host = gw_arena_copy(options->arena, options->target_host);
    struct gw_addr addr;

    if (gw_addr_parse_ip(&addr, host, options->target_port)) {
        call->foreign[call->foreign_count++] = gw_target_new(&addr, host);
        gw_attempt_go_to(call, choose_foreign(call));
        return;
    }
    call->state = GW_CALL_SEEKING;
    call->resolve =
        gw_resolve_start(options->loop, host.ptr, options->target_port, on_resolved, call);
}

static void find_session(struct gw_call *call)
{
    const struct gw_target_set *set = call->view->set;
    struct gw_slice value;

    call->stuck = -1;
    if (call->options.cookie(call->options.hash_ctx, set->how.sticky.cookie, &value))
        call->stuck = gw_sticky_find(set, value);
}

static void look_at(struct gw_call *call, struct gw_upstream *upstream)
{
    const struct gw_call_options *options = &call->options;

    call->view = gw_views_get(gw_pool_views(options->pool), upstream, &loop_of(call)->random);
    gw_retry_begin(call, upstream);
    gw_place_begin(call, upstream);

    const struct gw_balancing *how = &call->view->set->how;

    call->sticky = how->sticky.cookie.len > 0 && options->cookie;
    if (call->sticky)
        find_session(call);
    if (how->hash[0].on != GW_HASH_NONE && options->hash)
        call->hashed = options->hash(options->hash_ctx, how, &call->hash);
}

void gw_attempt_start(struct gw_call *call)
{
    struct gw_upstream *upstream = upstream_of(call);

    if (call->options.target_addr && !call->foreign_count)
        call->foreign[call->foreign_count++] =
            gw_target_new(call->options.target_addr, call->options.target_host);
    if (call->options.target_host.len && !call->options.upstream && !call->foreign_count) {
        resolve_foreign(call);
        return;
    }
    if (upstream && !call->view)
        look_at(call, upstream);

    if (call->view)
        gw_place_find(call);
    else if (call->foreign_count)
        gw_attempt_go_to(call, choose_foreign(call));
    else
        gw_call_fail_later(call, GW_E_NO_TARGET);
}

/* ── the end of a try ──────────────────────────────────────────────────────── */

static void learn_latency(const struct gw_call *call, enum gw_error error)
{
    const uint64_t failed_us = 1000000; /* an error that comes fast makes no target fast */
    uint64_t now_us = loop_of(call)->clock.now_us;

    if (error && gw_error_info(error)->side != GW_SIDE_UPSTREAM)
        return;
    gw_vitals_observe(&call->target->vitals,
                      now_us - call->info.started_us + (error ? failed_us : 0),
                      call->view->balance.rules.decay_us, now_us);
}

/* A server may close an idle connection whenever it likes: that says nothing about it. */
static bool is_idle_race(const struct gw_call *call, enum gw_error error)
{
    return error == GW_E_RESET && call->info.reused && !call->shares;
}

void gw_attempt_learn(struct gw_call *call, int status, enum gw_error error)
{
    if (!call->target || !call->view)
        return;
    if (gw_view_learns(call->view))
        learn_latency(call, error);
    gw_place_learn(call, status, error);
    if (error && !is_idle_race(call, error))
        gw_target_complain(upstream_of(call), call->target, error, loop_of(call)->clock.now_us);
    if (call->view->set->how.health && !is_idle_race(call, error))
        gw_health_learn(upstream_of(call), call->view->set, (unsigned)call->chosen, status, error,
                        &loop_of(call)->clock);
}

void gw_attempt_end(struct gw_call *call, enum gw_error why)
{
    struct gw_stream *up = call->up;

    if (call->resolve)
        gw_resolve_cancel(call->resolve);
    call->resolve = NULL;
    gw_timer_stop(&call->try_timer);
    gw_attempt_stop_connecting(call);
    gw_place_stop_waiting(call);
    call->up = NULL;
    if (up)
        gw_stream_close(up, why);
    release_target(call);
}
