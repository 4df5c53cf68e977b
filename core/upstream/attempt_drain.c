/* An answer that is followed by another try, and that nobody wants: its rest is read and dropped
 * while the call pauses, so that the connection can serve the next request. It holds no place. */
#include "upstream/call_private.h"

void gw_attempt_stop_draining(struct gw_call *call, enum gw_error why)
{
    struct gw_stream *stream = call->draining;

    call->draining = NULL;
    if (stream)
        gw_stream_close(stream, why);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    (void)bytes;
    if (end)
        gw_attempt_stop_draining(owner, GW_OK);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    gw_attempt_stop_draining(owner, GW_OK);
}

static void on_room(void *owner)
{
    (void)owner; /* the request was sent */
}

static void on_end(void *owner, enum gw_error why)
{
    gw_attempt_stop_draining(owner, why);
}

static const struct gw_stream_events events = {
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

void gw_attempt_drain(struct gw_call *call)
{
    call->draining = call->up;
    call->up = NULL;
    gw_stream_bind(call->draining, &events, call);
    if (call->held)
        gw_stream_hold(call->draining, false);
}
