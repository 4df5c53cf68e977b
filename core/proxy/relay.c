#include "proxy/relay.h"

#include "proxy/mirror.h"
#include "script/pipe.h"

#define MEMORY_PIECE (128 * 1024) /* at once, so that the queue of a slow peer stays small */

/* ── what goes on ──────────────────────────────────────────────────────────── */

/* What plugins want replaces what came. NULL: there are none. */
static const struct gw_fields *all_trailers(const struct gw_relay *relay)
{
    if (!relay->added || relay->added->count == 0)
        return relay->trailers;
    if (!relay->trailers)
        return relay->added;

    struct gw_arena *arena = relay->to->arena;
    struct gw_fields *all = gw_arena_alloc_zero(arena, sizeof(*all));

    gw_fields_copy(all, arena, relay->trailers);
    for (unsigned i = 0; i < relay->added->count; i++)
        gw_fields_set(all, arena, relay->added->items[i].name, relay->added->items[i].value);
    return all;
}

static void pass_on(struct gw_relay *relay, struct gw_slice bytes, struct gw_blob *owner, bool end)
{
    const struct gw_fields *trailers = end ? all_trailers(relay) : NULL;

    relay->bytes += bytes.len;
    if (relay->mirror)
        gw_mirror_take(relay->mirror, bytes, end);
    if (trailers) {
        relay->ended = true;
        gw_stream_send_body(relay->to, bytes, owner, false);
        gw_stream_send_trailers(relay->to, trailers);
        return;
    }
    relay->ended = end;
    relay->blocked = !gw_stream_send_body(relay->to, bytes, owner, end);
}

static void take_piped(struct gw_relay *relay, bool failed, struct gw_slice out)
{
    relay->failed = failed;
    if (!failed && (out.len || relay->ending))
        pass_on(relay, out, NULL, relay->ending);
}

static void through_hooks(struct gw_relay *relay, struct gw_slice bytes, bool end)
{
    struct gw_slice out;

    if (bytes.len == 0 && !end)
        return;
    relay->ending = end;

    enum gw_pipe_result result = gw_pipe_run(relay->x, relay->phase, bytes, end, &out);

    gw_clock_catch_up(&relay->x->loop->clock); /* hooks compute */
    relay->waits = result == GW_PIPE_WAITS;
    if (!relay->waits)
        take_piped(relay, result == GW_PIPE_FAILED, out);
}

/* What is wrong stays here, and what would come behind it. */
static void through_reader(struct gw_relay *relay, struct gw_slice bytes, bool end)
{
    struct gw_websocket_passed passed = gw_websocket_read(relay->reader, bytes);

    relay->broken = passed.code;
    if (passed.held.len)
        pass_on(relay, passed.held, NULL, false);
    if (passed.len || (end && !passed.code))
        pass_on(relay, gw_slice(bytes.ptr, passed.len), NULL, end && !passed.code);
}

/* Every piece passes here once, in order; the last one has the trailers behind it. */
static void give(struct gw_relay *relay, struct gw_slice bytes, struct gw_blob *owner, bool end)
{
    if (relay->reader)
        through_reader(relay, bytes, end);
    else if (relay->x)
        through_hooks(relay, bytes, end);
    else
        pass_on(relay, bytes, owner, end);
}

/* ── what comes ────────────────────────────────────────────────────────────── */

static bool takes(const struct gw_relay *relay)
{
    return relay->to && !relay->ended && !relay->ending && !relay->failed && !relay->broken;
}

/* 0: the throttle will say when. */
static size_t may_pass(struct gw_relay *relay, size_t len)
{
    return relay->throttle ? gw_throttle_pass(relay->throttle, len) : len;
}

static void pump_memory(struct gw_relay *relay)
{
    while (relay->memory.len && !relay->blocked && !relay->waits && !relay->failed) {
        size_t most = relay->memory.len < MEMORY_PIECE ? relay->memory.len : MEMORY_PIECE;
        size_t len = may_pass(relay, most);

        if (len == 0)
            return;

        struct gw_slice piece = gw_slice(relay->memory.ptr, len);

        relay->memory = gw_slice_skip(relay->memory, len);
        give(relay, piece, relay->owner, relay->memory_is_all && relay->memory.len == 0);
    }
    if (relay->memory.len == 0 && relay->memory_is_all && takes(relay) && !relay->waits)
        give(relay, GW_SLICE_EMPTY, NULL, true);
}

void gw_relay_hook(struct gw_relay *relay, struct gw_exchange *x, enum gw_phase phase)
{
    relay->x = x;
    relay->phase = phase;
}

void gw_relay_start(struct gw_relay *relay, struct gw_stream *to, struct gw_slice memory,
                    struct gw_blob *owner, bool all, const struct gw_fields *trailers)
{
    *relay = (struct gw_relay){
        .to = to,
        .x = relay->x,
        .phase = relay->phase,
        .added = relay->added,
        .reader = relay->reader,
        .memory = memory,
        .owner = owner,
        .trailers = trailers,
        .memory_is_all = all,
        .bytes = relay->bytes,
        .throttle = relay->throttle,
        .mirror = relay->mirror,
    };
    pump_memory(relay);
}

/* The source is held from here on until all that is kept has passed. */
static void through_throttle(struct gw_relay *relay, struct gw_slice bytes, bool end)
{
    size_t len = gw_throttle_pass(relay->throttle, bytes.len);

    if (len == bytes.len) {
        give(relay, bytes, NULL, end);
        return;
    }
    relay->memory = gw_throttle_keep(relay->throttle, bytes);
    relay->memory_is_all = end;
    relay->owner = NULL;
    if (len) {
        struct gw_slice first = gw_slice(relay->memory.ptr, len);

        relay->memory = gw_slice_skip(relay->memory, len);
        give(relay, first, NULL, false);
    }
    pump_memory(relay);
}

void gw_relay_take(struct gw_relay *relay, struct gw_slice bytes, bool end)
{
    if (!takes(relay))
        return;
    if (relay->throttle && bytes.len)
        through_throttle(relay, bytes, end);
    else
        give(relay, bytes, NULL, end);
}

void gw_relay_end_with(struct gw_relay *relay, const struct gw_fields *trailers)
{
    if (!takes(relay))
        return;
    relay->trailers = trailers;
    give(relay, GW_SLICE_EMPTY, NULL, true);
}

void gw_relay_go_on(struct gw_relay *relay)
{
    relay->blocked = false;
    if (takes(relay))
        pump_memory(relay);
}

void gw_relay_resume(struct gw_relay *relay)
{
    if (takes(relay))
        pump_memory(relay);
}

void gw_relay_piped(struct gw_relay *relay, bool failed, struct gw_slice out)
{
    relay->waits = false;
    take_piped(relay, failed, out);
    if (takes(relay))
        pump_memory(relay);
}

void gw_relay_stop(struct gw_relay *relay)
{
    relay->to = NULL;
    if (relay->throttle)
        gw_throttle_stop(relay->throttle);
    if (relay->x)
        gw_pipe_cancel(relay->x, relay->phase);
    relay->waits = relay->failed = false;
}
