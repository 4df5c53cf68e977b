/* Frames of a WebSocket, where its route wants them judged. They pass as they are; whoever breaks
 * the rules is told by a Close, the other side that it is over. */
#include "http/websocket.h"
#include "http/websocket_key.h"
#include "net/loop.h"
#include "proxy/flight.h"

#define PARTING_US 1000000 /* for both to read their Close, and go */

struct frames {
    struct gw_websocket_rules rules;
    struct gw_websocket_reader of_client, of_service;
};

void gw_flight_read_frames(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    const struct gw_websocket_config *wish = x->route ? &x->route->websocket : NULL;
    bool compressed =
        gw_fields_get(&x->response.fields, GW_SLICE("sec-websocket-extensions")) != NULL;
    struct frames *frames;

    if (!wish || !wish->on || !gw_slice_equal(x->request.protocol, GW_WEBSOCKET))
        return;
    frames = gw_arena_alloc(x->arena, sizeof(*frames));
    frames->rules = (struct gw_websocket_rules){
        .utf8 = wish->validate_utf8,
        .max_frame = wish->max_frame,
        .max_message = wish->max_message,
    };
    gw_websocket_reader_init(&frames->of_client, &frames->rules, true, compressed);
    gw_websocket_reader_init(&frames->of_service, &frames->rules, false, compressed);
    flight->to_service.reader = &frames->of_client;
    flight->to_client.reader = &frames->of_service;
}

static enum gw_error name_fault(bool of_client, enum gw_websocket_code code)
{
    if (code == GW_WEBSOCKET_TOO_LARGE)
        return of_client ? GW_E_WEBSOCKET_TOO_LARGE : GW_E_UPSTREAM_WEBSOCKET_TOO_LARGE;
    if (!of_client)
        return GW_E_UPSTREAM_PROTOCOL;
    return code == GW_WEBSOCKET_BAD_TEXT ? GW_E_WEBSOCKET_TEXT : GW_E_WEBSOCKET_FRAME;
}

/* In the middle of a frame there is no place for another one: its end tells enough. `mask` is of
 * what goes to a service. */
static void part(struct gw_relay *relay, enum gw_websocket_code code, const unsigned char *mask)
{
    char text[GW_WEBSOCKET_CLOSE_MAX];
    size_t len = gw_websocket_between_frames(relay->reader) && !relay->reader->closed
                     ? gw_websocket_close(code, mask, text)
                     : 0;

    if (relay->to && !relay->ended)
        gw_stream_send_body(relay->to, gw_slice(text, len), NULL, true);
    relay->bytes += len;
    relay->broken = GW_WEBSOCKET_FINE;
    relay->blocked = false;
    gw_relay_stop(relay);
}

static void on_parted(struct gw_timer *timer)
{
    struct gw_flight *flight = container_of(timer, struct gw_flight, pace);

    gw_flight_abandon(flight, flight->x.error);
}

void gw_flight_break_frames(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    enum gw_websocket_code client = flight->to_service.broken;
    enum gw_websocket_code service = flight->to_client.broken;
    unsigned char mask[4];
    uint32_t random = (uint32_t)gw_random_next(&x->loop->random);

    memcpy(mask, &random, sizeof(mask));
    x->error = client ? name_fault(true, client) : name_fault(false, service);
    part(&flight->to_client, client ? client : GW_WEBSOCKET_BROKEN, NULL);
    part(&flight->to_service, service ? service : GW_WEBSOCKET_AWAY, mask);
    gw_timer_start(x->loop, &flight->pace, PARTING_US, on_parted);
    gw_flight_set_holds(flight);
}
