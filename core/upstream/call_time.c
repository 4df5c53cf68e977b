/* The time of a call. One timer, because only one thing is waited for at a time: room for the
 * request, then the head, then more body. */
#include "http/token.h"
#include "upstream/call_private.h"

#define TIMEOUT_US 60000000ull /* of calls without a service */

static uint64_t timeout_of(const struct gw_call *call, uint64_t own, uint64_t services)
{
    return own ? own : call->options.service ? services : TIMEOUT_US;
}

/* Its request may stay open for as long as it likes: what counts is silence both ways. */
static bool is_grpc(const struct gw_call *call)
{
    return call->head.wants_trailers;
}

static enum gw_call_wait what_is_awaited(const struct gw_call *call)
{
    if (call->state != GW_CALL_ACTIVE)
        return GW_CALL_WAIT_NONE;
    if (!call->request_whole && call->blocked)
        return GW_CALL_WAIT_WRITE;
    if (!call->final_head) {
        bool expects = call->head.expect_continue && !call->interim && !call->info.bytes_out;

        if (!call->request_whole && !expects && is_grpc(call))
            return GW_CALL_WAIT_READ;
        return call->request_whole || expects ? GW_CALL_WAIT_RESPONSE : GW_CALL_WAIT_NONE;
    }
    if (call->response_whole || call->held)
        return GW_CALL_WAIT_NONE;
    return call->request_whole || call->tunnel || is_grpc(call) ? GW_CALL_WAIT_READ
                                                                : GW_CALL_WAIT_NONE;
}

static void on_timeout(struct gw_timer *timer)
{
    static const enum gw_error errors[] = {
        [GW_CALL_WAIT_NONE] = GW_E_INTERNAL,
        [GW_CALL_WAIT_WRITE] = GW_E_WRITE_TIMEOUT,
        [GW_CALL_WAIT_RESPONSE] = GW_E_RESPONSE_TIMEOUT,
        [GW_CALL_WAIT_READ] = GW_E_READ_TIMEOUT,
    };
    struct gw_call *call = container_of(timer, struct gw_call, timer);

    enum gw_error why = errors[call->waits];

    /* The time for an answer is the call's, not a try's. */
    if (call->waits == GW_CALL_WAIT_WRITE && gw_attempt_retry(call, why))
        return;
    if (call->waits != GW_CALL_WAIT_WRITE && !call->final_head)
        gw_attempt_learn(call, 0, why);
    gw_call_fail(call, why);
}

/* Services of gRPC send their head with their first message, which may be long in coming. */
static bool has_own_time(const struct gw_call *call)
{
    return is_grpc(call) && call->options.service && call->options.service->has_grpc_idle_timeout;
}

/* How long the service may say nothing. */
static uint64_t quiet_time(const struct gw_call *call)
{
    const struct gw_service *service = call->options.service;

    if (has_own_time(call))
        return service->grpc_idle_timeout_us;
    if (call->tunnel && service && service->has_websocket_timeout)
        return service->websocket_timeout_us;
    if (call->events)
        return service->event_stream_timeout_us;
    return timeout_of(call, call->options.read_timeout_us, service ? service->read_timeout_us : 0);
}

static uint64_t answer_time(const struct gw_call *call)
{
    const struct gw_service *service = call->options.service;

    if (has_own_time(call))
        return service->grpc_idle_timeout_us;
    return timeout_of(call, call->options.response_timeout_us,
                      service ? service->response_timeout_us : 0);
}

uint64_t gw_call_answer_due(const struct gw_call *call)
{
    uint64_t time_us = answer_time(call);

    return call->whole_us && time_us ? call->whole_us + time_us : UINT64_MAX;
}

static void start_timer(struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    const struct gw_service *service = options->service;
    uint64_t delay = 0;

    switch (call->waits) {
    case GW_CALL_WAIT_NONE:
        gw_timer_stop(&call->timer);
        return;
    case GW_CALL_WAIT_WRITE:
        delay =
            timeout_of(call, options->write_timeout_us, service ? service->write_timeout_us : 0);
        break;
    case GW_CALL_WAIT_RESPONSE:
        delay = answer_time(call);
        if (delay && call->whole_us) {
            uint64_t spent_us = options->loop->clock.now_us - call->whole_us;

            delay = delay > spent_us ? delay - spent_us : 1;
        }
        break;
    case GW_CALL_WAIT_READ:
        delay = quiet_time(call);
        break;
    }
    if (delay)
        gw_timer_start(options->loop, &call->timer, delay, on_timeout);
    else
        gw_timer_stop(&call->timer);
}

void gw_call_set_timer(struct gw_call *call)
{
    call->waits = what_is_awaited(call);
    start_timer(call);
}

void gw_call_note_progress(struct gw_call *call)
{
    enum gw_call_wait waits = what_is_awaited(call);

    /* The head is awaited from the last byte of the request on, room since the last write: no other
     * move counts. */
    if (waits == call->waits && waits != GW_CALL_WAIT_READ)
        return;
    call->waits = waits;
    start_timer(call);
}

/* What the client says there is not ours to promise, in whatever spelling a service reads it. */
static void remove_spellings(struct gw_fields *fields, struct gw_slice name)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < fields->count; i++) {
        if (gw_token_spelled_alike(fields->items[i].name, name))
            continue;
        if (kept != i)
            fields->items[kept] = fields->items[i];
        kept++;
    }
    fields->count = kept;
}

void gw_call_tell_deadline(struct gw_call *call)
{
    const struct gw_call_options *options = &call->options;
    struct gw_slice name = options->service ? options->service->deadline_header : GW_SLICE_EMPTY;

    if (name.len == 0)
        return;

    uint64_t now_us = options->loop->clock.now_us, left_us = answer_time(call);

    if (call->retry && call->retry->per_try_timeout_us &&
        (!left_us || call->retry->per_try_timeout_us < left_us))
        left_us = call->retry->per_try_timeout_us;
    if (options->deadline_us) {
        uint64_t all_us = options->deadline_us > now_us ? options->deadline_us - now_us : 1;

        left_us = !left_us || all_us < left_us ? all_us : left_us;
    }
    remove_spellings(&call->head.fields, name);
    if (left_us)
        gw_fields_add(&call->head.fields, options->arena, name,
                      gw_arena_number(options->arena, left_us < 1000 ? 1 : left_us / 1000));
}
