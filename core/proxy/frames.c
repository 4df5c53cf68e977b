/* Frames of a WebSocket, where its route wants them judged. They pass as they are; whoever breaks
 * the rules is told by a Close, the other side that it is over. Both are told when the gateway
 * stops. */
#include "base/encode.h"
#include "http/websocket.h"
#include "http/websocket_key.h"
#include "net/loop.h"
#include "proxy/flight.h"

#define PARTING_US 1000000 /* for both to read their Close, and go */

#define KEY_TEXT 24 /* base64 of 16 bytes */

#define EXTENSIONS GW_SLICE("sec-websocket-extensions")

struct frames {
    struct gw_websocket_rules rules;
    struct gw_websocket_reader of_client, of_service;
};

/* RFC 6455 4.2.1: over HTTP/1.1 the handshake is proven by a key; RFC 8441 has none. */
bool gw_flight_has_websocket_key(const struct gw_exchange *x)
{
    const struct gw_slice *key = gw_fields_get(&x->request.fields, GW_WEBSOCKET_KEY_FIELD);
    char bytes[KEY_TEXT];
    size_t len;

    return key && key->len == KEY_TEXT && gw_base64_decode(*key, false, bytes, &len) && len == 16 &&
           gw_fields_count(&x->request.fields, GW_WEBSOCKET_KEY_FIELD) == 1;
}

/* A service may compress where that was asked of it, and not where the wish was kept from it. */
static bool may_compress(const struct gw_exchange *x, const struct gw_websocket_config *wish)
{
    return !wish->validate_utf8 && gw_fields_get(&x->request.fields, EXTENSIONS) &&
           gw_fields_get(&x->response.fields, EXTENSIONS);
}

void gw_flight_read_frames(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    const struct gw_websocket_config *wish = x->route ? &x->route->websocket : NULL;
    struct frames *frames;
    bool compressed;

    if (!wish || !wish->on || !gw_slice_equal(x->request.protocol, GW_WEBSOCKET))
        return;
    compressed = may_compress(x, wish);
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

static void part_both(struct gw_flight *flight, enum gw_error why, enum gw_websocket_code client,
                      enum gw_websocket_code service)
{
    struct gw_exchange *x = &flight->x;
    unsigned char mask[4];
    uint32_t random = (uint32_t)gw_random_next(&x->loop->random);

    memcpy(mask, &random, sizeof(mask));
    x->error = why;
    part(&flight->to_client, client, NULL);
    part(&flight->to_service, service, mask);
    gw_timer_start(x->loop, &flight->pace, PARTING_US, on_parted);
    gw_flight_set_holds(flight);
}

void gw_flight_break_frames(struct gw_flight *flight)
{
    enum gw_websocket_code client = flight->to_service.broken;
    enum gw_websocket_code service = flight->to_client.broken;

    part_both(flight, client ? name_fault(true, client) : name_fault(false, service),
              client ? client : GW_WEBSOCKET_BROKEN, service ? service : GW_WEBSOCKET_AWAY);
}

bool gw_flight_part_frames(struct gw_flight *flight, enum gw_error why)
{
    if (flight->x.error || !flight->to_client.reader || !flight->to_client.to)
        return false;
    part_both(flight, why, GW_WEBSOCKET_AWAY, GW_WEBSOCKET_AWAY);
    return true;
}
