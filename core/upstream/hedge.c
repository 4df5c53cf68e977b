/* A stream above two calls. The first one gets everything; the second begins `after` it, for
 * requests that may reach the service twice and have no body, where the budget of retries has room.
 * The first final head decides: the other call is cancelled, and from then on this is the
 * winner's.
 *
 * An event upwards is always the last thing a function does: the owner may close this in it. */
#include "upstream/hedge.h"

#include "config/config.h"
#include "upstream/call_private.h"
#include "upstream/registry_private.h"

struct leg {
    struct gw_hedge *hedge;
    struct gw_stream *call; /* NULL: not begun, or over */
    const struct gw_call_info *info;
};

struct gw_hedge {
    struct gw_stream stream; /* what the owner sees */
    struct gw_call_options options;
    struct gw_call_info info;
    struct leg legs[2];
    struct leg *winner; /* whose final head came; NULL: nobody's yet */
    struct gw_head head;
    struct gw_timer timer;
};

static const struct gw_stream_ops hedge_ops;
static const struct gw_stream_events leg_events;

static struct gw_hedge *hedge_of(struct gw_stream *stream)
{
    return container_of(stream, struct gw_hedge, stream);
}

/* What the owner is told: the winner's, and the tries of both. */
static void sync_info(struct gw_hedge *hedge)
{
    const struct leg *first = &hedge->legs[0], *second = &hedge->legs[1];
    const struct leg *told = hedge->winner                  ? hedge->winner
                             : first->call || !second->info ? first
                                                            : second;

    hedge->info = *told->info;
    hedge->info.hedged = second->info != NULL;
    hedge->info.hedge_won = hedge->winner == second;
    if (second->info)
        hedge->info.tries = first->info->tries + second->info->tries;
}

static void end_leg(struct leg *leg, enum gw_error why)
{
    struct gw_stream *call = leg->call;

    leg->call = NULL;
    if (call)
        gw_stream_close(call, why);
}

static void begin_leg(struct gw_hedge *hedge, struct leg *leg,
                      const struct gw_call_options *options)
{
    leg->hedge = hedge;
    leg->call = gw_call_open_one(options);
    leg->info = gw_call_info(leg->call);
    gw_stream_bind(leg->call, &leg_events, leg);
}

/* ── the second call ───────────────────────────────────────────────────────── */

static void on_time(struct gw_timer *timer)
{
    struct gw_hedge *hedge = container_of(timer, struct gw_hedge, timer);
    struct gw_call_options options = hedge->options;

    if (!gw_call_may_hedge(hedge->legs[0].call))
        return;
    options.avoid = gw_slice_from(hedge->legs[0].info->target);
    options.hash = NULL; /* the key's own target has it already */
    begin_leg(hedge, &hedge->legs[1], &options);
    gw_stream_send_head(hedge->legs[1].call, &hedge->head, true);
}

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct gw_hedge *hedge = hedge_of(stream);

    if (end && !hedge->options.has_body && !head->protocol.len &&
        head->body_length == GW_BODY_NONE && gw_method_idempotent(head->method)) {
        hedge->head = *head;
        hedge->head.fields = (struct gw_fields){ NULL, 0, 0 };
        gw_fields_copy(&hedge->head.fields, hedge->options.arena, &head->fields);
        gw_timer_start(hedge->options.loop, &hedge->timer, hedge->options.service->hedge_after_us,
                       on_time);
    }
    gw_stream_send_head(hedge->legs[0].call, head, end);
}

/* ── what the calls say ────────────────────────────────────────────────────── */

static struct leg *other_of(struct leg *leg)
{
    return leg == &leg->hedge->legs[0] ? &leg->hedge->legs[1] : &leg->hedge->legs[0];
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct leg *leg = owner;
    struct gw_hedge *hedge = leg->hedge;

    if (head->status < 200 && head->status != 101) {
        if (leg == &hedge->legs[0]) /* of one of them is enough */
            hedge->stream.events->on_head(hedge->stream.owner, head, end);
        return;
    }
    gw_timer_stop(&hedge->timer);
    hedge->winner = leg;
    end_leg(other_of(leg), GW_E_CANCELLED);
    sync_info(hedge);
    hedge->stream.events->on_head(hedge->stream.owner, head, end);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_hedge *hedge = ((struct leg *)owner)->hedge;

    hedge->stream.events->on_body(hedge->stream.owner, bytes, end);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_hedge *hedge = ((struct leg *)owner)->hedge;

    hedge->stream.events->on_trailers(hedge->stream.owner, trailers);
}

static void on_room(void *owner)
{
    struct gw_hedge *hedge = ((struct leg *)owner)->hedge;

    hedge->stream.events->on_room(hedge->stream.owner);
}

/* One that fails leaves it to the other. */
static void on_end(void *owner, enum gw_error why)
{
    struct leg *leg = owner;
    struct gw_hedge *hedge = leg->hedge;

    if (!hedge->winner && other_of(leg)->call) {
        end_leg(leg, why);
        return;
    }
    gw_timer_stop(&hedge->timer);
    sync_info(hedge);
    hedge->stream.events->on_end(hedge->stream.owner, why);
}

static const struct gw_stream_events leg_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

/* ── what the owner says ───────────────────────────────────────────────────── */

/* Only requests that are not hedged have a body. */
static bool send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                      bool end)
{
    return gw_stream_send_body(hedge_of(stream)->legs[0].call, bytes, owner, end);
}

static void send_trailers(struct gw_stream *stream, const struct gw_fields *trailers)
{
    gw_stream_send_trailers(hedge_of(stream)->legs[0].call, trailers);
}

static void hold(struct gw_stream *stream, bool on)
{
    struct gw_hedge *hedge = hedge_of(stream);

    for (unsigned i = 0; i < GW_ARRAY_LEN(hedge->legs); i++)
        if (hedge->legs[i].call)
            gw_stream_hold(hedge->legs[i].call, on);
}

static void close_hedge(struct gw_stream *stream, enum gw_error why)
{
    struct gw_hedge *hedge = hedge_of(stream);

    stream->events = NULL;
    gw_timer_stop(&hedge->timer);
    end_leg(&hedge->legs[0], why);
    end_leg(&hedge->legs[1], why);
    sync_info(hedge);
}

static const struct gw_stream_ops hedge_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_trailers = send_trailers,
    .hold = hold,
    .close = close_hedge,
};

struct gw_stream *gw_hedge_open(const struct gw_call_options *options)
{
    struct gw_hedge *hedge = gw_arena_alloc_zero(options->arena, sizeof(*hedge));

    hedge->stream.ops = &hedge_ops;
    hedge->stream.arena = options->arena;
    hedge->options = *options;
    begin_leg(hedge, &hedge->legs[0], options);
    return &hedge->stream;
}

const struct gw_call_info *gw_hedge_info(const struct gw_stream *stream)
{
    return stream->ops == &hedge_ops ? &container_of(stream, struct gw_hedge, stream)->info : NULL;
}
