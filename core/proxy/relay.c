#include "proxy/relay.h"

#define MEMORY_PIECE (128 * 1024) /* at once, so that the queue of a slow peer stays small */

/* Here stands what body hooks will be put between: every piece passes through it once, in order. */
static void give(struct gw_relay *relay, struct gw_slice bytes, struct gw_blob *owner, bool end)
{
    relay->bytes += bytes.len;
    relay->ended = end;
    relay->blocked = !gw_stream_send_body(relay->to, bytes, owner, end);
}

static void pump_memory(struct gw_relay *relay)
{
    bool end_here = relay->memory_is_all && !relay->trailers;

    while (relay->memory.len && !relay->blocked) {
        size_t len = relay->memory.len < MEMORY_PIECE ? relay->memory.len : MEMORY_PIECE;
        struct gw_slice piece = gw_slice(relay->memory.ptr, len);

        relay->memory = gw_slice_skip(relay->memory, len);
        give(relay, piece, relay->owner, end_here && relay->memory.len == 0);
    }
    if (relay->memory.len || relay->ended || !relay->memory_is_all)
        return;
    if (relay->trailers)
        gw_relay_end_with(relay, relay->trailers);
    else
        give(relay, GW_SLICE_EMPTY, NULL, true);
}

void gw_relay_start(struct gw_relay *relay, struct gw_stream *to, struct gw_slice memory,
                    struct gw_blob *owner, bool all, const struct gw_fields *trailers)
{
    *relay = (struct gw_relay){
        .to = to,
        .memory = memory,
        .owner = owner,
        .trailers = trailers,
        .memory_is_all = all,
        .bytes = relay->bytes,
    };
    pump_memory(relay);
}

void gw_relay_take(struct gw_relay *relay, struct gw_slice bytes, bool end)
{
    if (relay->to && !relay->ended)
        give(relay, bytes, NULL, end);
}

void gw_relay_end_with(struct gw_relay *relay, const struct gw_fields *trailers)
{
    if (!relay->to || relay->ended)
        return;
    relay->ended = true;
    gw_stream_send_trailers(relay->to, trailers);
}

void gw_relay_go_on(struct gw_relay *relay)
{
    relay->blocked = false;
    if (relay->to && !relay->ended)
        pump_memory(relay);
}

void gw_relay_stop(struct gw_relay *relay)
{
    relay->to = NULL;
}
