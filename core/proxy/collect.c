/* Whole bodies for hooks: a reader asks, what comes is kept in the exchange, and the relay later
 * sends from there what the reader did not replace. Readers are always told in a deferred call. */
#include "config/config.h"
#include "net/loop.h"
#include "proxy/flight.h"

struct reader {
    struct gw_list_node node;
    struct gw_defer defer;
    struct gw_flight *flight;
    enum gw_body_side side;
    size_t max;
    gw_body_cb done;
    void *ctx;
    bool settled; /* `error` stands: it will be told */
    enum gw_error error;
};

static struct gw_buf *body_of(struct gw_flight *flight, enum gw_body_side side)
{
    return side == GW_BODY_OF_REQUEST ? &flight->x.request_body : &flight->x.response_body;
}

static bool *whole_of(struct gw_flight *flight, enum gw_body_side side)
{
    return side == GW_BODY_OF_REQUEST ? &flight->x.request_body_whole
                                      : &flight->x.response_body_whole;
}

static void on_settled(struct gw_defer *defer)
{
    struct reader *reader = container_of(defer, struct reader, defer);
    struct gw_slice body = gw_buf_slice(body_of(reader->flight, reader->side));

    gw_list_remove(&reader->node);
    reader->done(reader->ctx, reader->error ? GW_SLICE_EMPTY : body, reader->error);
}

static void settle(struct reader *reader, enum gw_error error)
{
    if (reader->settled)
        return;
    reader->settled = true;
    reader->error = error;
    gw_loop_defer(reader->flight->x.loop, &reader->defer, on_settled);
}

static enum gw_error too_large(enum gw_body_side side)
{
    return side == GW_BODY_OF_REQUEST ? GW_E_BODY_TOO_LARGE : GW_E_UPSTREAM_BODY_TOO_LARGE;
}

/* Settles the readers for whom it is clear now how it ended. */
static void look(struct gw_flight *flight, enum gw_body_side side)
{
    size_t len = body_of(flight, side)->len;

    GW_LIST_EACH(&flight->readers[side], node) {
        struct reader *reader = container_of(node, struct reader, node);

        if (len > reader->max)
            settle(reader, too_large(side));
        else if (*whole_of(flight, side))
            settle(reader, GW_OK);
    }
}

bool gw_readers_want(const struct gw_flight *flight, enum gw_body_side side)
{
    GW_LIST_EACH(&flight->readers[side], node) {
        if (!container_of(node, struct reader, node)->settled)
            return true;
    }
    return false;
}

void gw_readers_take(struct gw_flight *flight, enum gw_body_side side, struct gw_slice bytes,
                     bool end)
{
    if (!gw_buf_append(body_of(flight, side), bytes)) {
        gw_readers_fail(flight, side, too_large(side));
        return;
    }
    if (end)
        *whole_of(flight, side) = true;
    look(flight, side);
}

void gw_readers_fail(struct gw_flight *flight, enum gw_body_side side, enum gw_error why)
{
    GW_LIST_EACH(&flight->readers[side], node) {
        settle(container_of(node, struct reader, node), why);
    }
}

static void forget(struct reader *reader)
{
    gw_defer_cancel(&reader->defer);
    gw_list_remove(&reader->node);
}

void gw_readers_cancel(struct gw_flight *flight)
{
    for (unsigned side = 0; side < GW_ARRAY_LEN(flight->readers); side++)
        GW_LIST_EACH(&flight->readers[side], node) {
            forget(container_of(node, struct reader, node));
        }
}

/* ── what script asks ──────────────────────────────────────────────────────── */

static struct reader *add_reader(struct gw_flight *flight, enum gw_body_side side, size_t max,
                                 gw_body_cb done, void *ctx)
{
    struct reader *reader = gw_arena_alloc_zero(flight->x.arena, sizeof(*reader));
    struct gw_buf *body = body_of(flight, side);
    size_t limit = flight->x.limits->buffer;

    reader->flight = flight;
    reader->side = side;
    reader->max = limit && max > limit ? limit : max;
    reader->done = done;
    reader->ctx = ctx;
    gw_list_append(&flight->readers[side], &reader->node);
    /* One read beyond the limit is kept too: a body that is too large for the hook goes to the
     * other side all the same. */
    if (body->max < reader->max + GW_READ_BUFFER_SIZE)
        body->max = reader->max + GW_READ_BUFFER_SIZE;
    return reader;
}

static void ask_for_body(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_head head = { .status = 100, .body_length = GW_BODY_NONE };

    if (!x->request.expect_continue || flight->asked_for_body || x->request.version < 11)
        return;
    flight->asked_for_body = true;
    gw_stream_send_head(x->down, &head, false);
}

static void read_request_body(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx)
{
    struct gw_flight *flight = gw_flight_of(x);
    struct reader *reader = add_reader(flight, GW_BODY_OF_REQUEST, max, done, ctx);

    if (!x->down || x->step >= GW_STEP_CALL) {
        settle(reader, x->request_body_whole ? GW_OK : GW_E_CANCELLED);
        return;
    }
    if (flight->request_ended && x->request_body.len == 0)
        x->request_body_whole = true; /* there is none */
    if (!flight->request_ended && x->request.body_length > 0 &&
        (uint64_t)x->request.body_length > reader->max)
        settle(reader, GW_E_BODY_TOO_LARGE);
    look(flight, GW_BODY_OF_REQUEST);
    if (gw_readers_want(flight, GW_BODY_OF_REQUEST))
        ask_for_body(flight);
    gw_flight_set_holds(flight);
}

static void read_response_body(struct gw_exchange *x, size_t max, gw_body_cb done, void *ctx)
{
    struct gw_flight *flight = gw_flight_of(x);
    struct reader *reader = add_reader(flight, GW_BODY_OF_RESPONSE, max, done, ctx);

    if (x->step != GW_STEP_RESPONSE || flight->up_error || flight->tunnel) {
        settle(reader, flight->up_error ? flight->up_error : GW_E_CANCELLED);
        return;
    }
    if (flight->response_ended && x->response_body.len == 0)
        x->response_body_whole = true;
    if (!flight->response_ended && x->response.body_length > 0 &&
        (uint64_t)x->response.body_length > reader->max)
        settle(reader, GW_E_UPSTREAM_BODY_TOO_LARGE);
    look(flight, GW_BODY_OF_RESPONSE);
    gw_flight_set_holds(flight);
}

static void cancel_read(struct gw_exchange *x, void *ctx)
{
    struct gw_flight *flight = gw_flight_of(x);

    for (unsigned side = 0; side < GW_ARRAY_LEN(flight->readers); side++)
        GW_LIST_EACH(&flight->readers[side], node) {
            struct reader *reader = container_of(node, struct reader, node);

            if (reader->ctx == ctx)
                forget(reader);
        }
    gw_flight_set_holds(flight);
}

const struct gw_exchange_ops gw_flight_ops = {
    .read_request_body = read_request_body,
    .read_response_body = read_response_body,
    .cancel_read = cancel_read,
    .on_piped = gw_flight_on_piped,
};
