#include "h1_wire.h"

#include "net/memory_pair.h"

#define TEXT_MAX (64u * 1024 * 1024)
#define TURNS 16

/* Both ends of one connection with a session on the near one. */
struct wire {
    struct fuzz_reading *reading;
    struct gw_conn *far;
    struct gw_session *server;
    struct gw_h1_client *client;
    struct gw_stream *stream;
    struct fuzz_message *message; /* the one that is coming in */
    struct gw_arena *stream_arena;
    bool is_client, far_ended;
};

/* One loop for all inputs: its clock stands still. */
static struct gw_loop *the_loop(void)
{
    static struct gw_loop *loop;

    if (!loop)
        loop = gw_loop_new(true);
    return loop;
}

/* Nothing here needs the kernel: what is deferred is all there is to do. */
static void turn(void)
{
    struct gw_loop *loop = the_loop();

    for (int i = 0; i < TURNS && !gw_list_empty(&loop->deferred); i++)
        gw_loop_advance(loop, 0);
}

static const struct gw_session_limits limits = {
    .head_bytes = 4096,
    .headers = 30,
    .target_bytes = 1024,
    .head_timeout_us = 10000000,
    .idle_timeout_us = 60000000,
};

/* ── what is told ──────────────────────────────────────────────────────────── */

static struct fuzz_message *add_message(struct fuzz_reading *reading)
{
    FUZZ_CHECK(reading->count < FUZZ_MESSAGES_MAX, "more messages than were let in");

    struct fuzz_message *message = &reading->messages[reading->count++];

    gw_buf_init(&message->body, TEXT_MAX);
    return message;
}

static void describe_fields(struct gw_buf *out, const struct gw_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        gw_buf_printf(out, "  %.*s: %.*s\n", GW_SLICE_ARG(fields->items[i].name),
                      GW_SLICE_ARG(fields->items[i].value));
}

void fuzz_describe(struct gw_buf *out, const struct fuzz_message *message)
{
    const struct gw_head *head = message->head;

    if (message->refused) {
        gw_buf_printf(out, "refused\n"); /* which of two faults is seen first depends on cuts */
        return;
    }
    if (head) {
        gw_buf_printf(out, "%d %.*s %.*s%s%.*s host %.*s protocol %.*s%s%s\n", head->status,
                      GW_SLICE_ARG(head->method_name), GW_SLICE_ARG(head->path),
                      head->has_query ? "?" : "", GW_SLICE_ARG(head->query),
                      GW_SLICE_ARG(head->authority), GW_SLICE_ARG(head->protocol),
                      head->expect_continue ? " expects" : "", message->end ? " end" : "");
        describe_fields(out, &head->fields);
    }
    gw_buf_printf(out, "body %zu: %.*s\n", message->body.len,
                  GW_SLICE_ARG(gw_buf_slice(&message->body)));
    if (message->trailers) {
        gw_buf_printf(out, "trailers\n");
        describe_fields(out, message->trailers);
    }
    gw_buf_printf(out, "%s\n", message->error ? "failed" : "whole");
}

static void close_stream(struct wire *wire, enum gw_error why)
{
    struct gw_stream *stream = wire->stream;

    wire->message->error = why;
    fuzz_describe(&wire->reading->text, wire->message);
    wire->stream = NULL;
    wire->message = NULL;
    gw_stream_close(stream, why);
    gw_arena_free(wire->stream_arena);
    wire->stream_arena = NULL;
}

/* ── owners of streams ─────────────────────────────────────────────────────── */

static void answer(struct wire *wire)
{
    bool tunnel = wire->message->head->method == GW_METHOD_CONNECT;
    struct gw_head head = { .status = tunnel ? 501 : 200, .version = 11, .body_length = 2 };

    gw_stream_send_head(wire->stream, &head, false);
    gw_stream_send_body(wire->stream, GW_SLICE("ok"), NULL, true);
    close_stream(wire, GW_OK);
}

/* The message that came in is whole. */
static void came(struct wire *wire)
{
    if (wire->is_client)
        close_stream(wire, GW_OK);
    else
        answer(wire);
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct wire *wire = owner;

    FUZZ_CHECK(wire->message, "a head after the end");
    FUZZ_CHECK(!wire->message->head || wire->message->head->status < 200, "two final heads");
    if (wire->message->head) { /* the interim one before it is a message of its own */
        fuzz_describe(&wire->reading->text, wire->message);
        wire->message = add_message(wire->reading);
    }
    wire->message->head = gw_head_copy(head, wire->reading->arena);
    wire->message->end = end;
    wire->message->tunnel = head->status == 101;
    FUZZ_CHECK(head->status >= 200 || head->status == 101 || !end, "an interim head that ends");
    if (end)
        came(wire);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct wire *wire = owner;

    FUZZ_CHECK(wire->message && wire->message->head, "a body without a head");
    gw_buf_append(&wire->message->body, bytes);
    if (end)
        came(wire);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    struct wire *wire = owner;

    FUZZ_CHECK(wire->message && wire->message->head, "trailers without a head");
    wire->message->trailers = gw_arena_alloc_zero(wire->reading->arena, sizeof(*trailers));
    gw_fields_copy_deep(wire->message->trailers, wire->reading->arena, trailers);
    came(wire);
}

static void on_room(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum gw_error why)
{
    FUZZ_CHECK(why != GW_OK, "an end without a reason");
    close_stream(owner, why);
}

static const struct gw_stream_events stream_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static void take_stream(struct wire *wire, struct gw_stream *stream)
{
    wire->stream = stream;
    wire->message = add_message(wire->reading);
    gw_stream_bind(stream, &stream_events, wire);
}

/* ── sessions ──────────────────────────────────────────────────────────────── */

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(!wire->stream, "two requests at once");
    take_stream(wire, down);
    wire->stream_arena = arena;
    wire->message->head = gw_head_copy(head, wire->reading->arena);
    wire->message->end = end;
    if (end)
        came(wire);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct wire *wire = ctx;

    (void)head;
    FUZZ_CHECK(!wire->stream && why != GW_OK, "refused without a reason");
    take_stream(wire, down);
    wire->stream_arena = arena;
    wire->message->refused = true;
    close_stream(wire, why);
}

static void on_server_closed(void *ctx, struct gw_session *server)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->server == server && !wire->stream, "closed with a stream");
    wire->server = NULL;
}

static const struct gw_server_events server_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_server_closed,
};

static void on_idle(void *ctx, struct gw_h1_client *client)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->client == client && !wire->stream, "idle with a stream");
    wire->reading->kept = true;
}

static void on_client_closed(void *ctx, struct gw_h1_client *client)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->client == client && !wire->stream, "closed with a stream");
    wire->client = NULL;
    wire->reading->kept = false;
}

static const struct gw_client_events client_events = { on_idle, on_client_closed };

/* ── the other end ─────────────────────────────────────────────────────────── */

static void far_read(void *owner, struct gw_slice bytes)
{
    struct wire *wire = owner;

    gw_buf_append(&wire->reading->answers, bytes);
}

static void far_end(void *owner, enum gw_error why)
{
    struct wire *wire = owner;

    (void)why;
    wire->far_ended = true;
}

static const struct gw_conn_events far_events = {
    .on_read = far_read,
    .on_room = on_room,
    .on_end = far_end,
};

static void open_wire(struct wire *wire, struct fuzz_reading *reading, bool is_client)
{
    struct gw_conn *near;

    memset(reading, 0, sizeof(*reading));
    reading->arena = gw_arena_new();
    gw_buf_init(&reading->text, TEXT_MAX);
    gw_buf_init(&reading->answers, TEXT_MAX);
    memset(wire, 0, sizeof(*wire));
    wire->reading = reading;
    wire->is_client = is_client;
    gw_memory_pair_new(the_loop(), NULL, NULL, &near, &wire->far);
    gw_conn_bind(wire->far, &far_events, wire);
    if (is_client)
        wire->client = gw_h1_client_new(near, &limits, &client_events, wire);
    else
        wire->server = gw_h1_server_new(near, &limits, GW_SLICE("http"), &server_events, wire);
}

static void write_cut(struct wire *wire, struct gw_slice bytes, enum fuzz_cut cut)
{
    struct fuzz_choice choice = fuzz_choice((const uint8_t *)bytes.ptr, bytes.len);

    while (bytes.len && !wire->far_ended) {
        size_t len = cut == FUZZ_WHOLE   ? bytes.len
                     : cut == FUZZ_BYTES ? 1
                                         : 1 + fuzz_pick(&choice, 24);
        struct gw_slice piece = gw_slice(bytes.ptr, len < bytes.len ? len : bytes.len);

        gw_conn_write(wire->far, &piece, 1);
        bytes = gw_slice_skip(bytes, piece.len);
        turn();
    }
}

static void close_wire(struct wire *wire)
{
    turn();
    gw_conn_close(wire->far);
    turn();
    if (wire->stream) /* what waits for more than there is */
        close_stream(wire, GW_E_CANCELLED);
    if (wire->server)
        gw_session_close(wire->server);
    if (wire->client)
        gw_h1_client_close(wire->client);
    turn();
}

void fuzz_reading_free(struct fuzz_reading *reading)
{
    for (unsigned i = 0; i < reading->count; i++)
        gw_buf_deinit(&reading->messages[i].body);
    gw_buf_deinit(&reading->text);
    gw_buf_deinit(&reading->answers);
    gw_arena_free(reading->arena);
}

void fuzz_read_requests(struct fuzz_reading *reading, struct gw_slice bytes, enum fuzz_cut cut)
{
    unsigned before = gw_conn_count();
    struct wire wire;

    open_wire(&wire, reading, false);
    write_cut(&wire, bytes, cut);
    if (!wire.far_ended)
        gw_conn_shutdown(wire.far);
    close_wire(&wire);
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}

/* ── the client role ───────────────────────────────────────────────────────── */

static void open_stream(struct wire *wire)
{
    struct gw_arena *arena = gw_arena_new();

    take_stream(wire, gw_h1_client_open(wire->client, arena));
    wire->stream_arena = arena;
}

void fuzz_read_response(struct fuzz_reading *reading, struct gw_slice bytes, enum fuzz_cut cut,
                        const char *method, bool upgrade)
{
    unsigned before = gw_conn_count();
    struct gw_head head = {
        .method_name = gw_slice_from(method),
        .method = gw_method_parse(gw_slice_from(method)),
        .authority = GW_SLICE("a:1"),
        .path = GW_SLICE("/"),
        .protocol = upgrade ? GW_SLICE("x") : GW_SLICE_EMPTY,
        .body_length = GW_BODY_NONE,
        .version = 11,
    };
    struct wire wire;

    open_wire(&wire, reading, true);
    open_stream(&wire);
    gw_stream_send_head(wire.stream, &head, !upgrade && head.method != GW_METHOD_CONNECT);
    turn();
    write_cut(&wire, bytes, cut);
    turn();

    bool kept = reading->kept; /* before the server ends */

    if (!wire.far_ended)
        gw_conn_shutdown(wire.far);
    close_wire(&wire);
    reading->kept = kept;
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}

static void send_message(struct gw_stream *stream, const struct fuzz_message *message)
{
    struct gw_slice body = gw_buf_slice(&message->body);
    bool ends_with_body = !message->trailers;

    gw_stream_send_head(stream, message->head, message->end);
    if (message->end)
        return;
    gw_stream_send_body(stream, body, NULL, ends_with_body);
    if (message->trailers)
        gw_stream_send_trailers(stream, message->trailers);
}

void fuzz_write_request(struct fuzz_reading *reading, const struct fuzz_message *message)
{
    struct wire wire;

    open_wire(&wire, reading, true);
    open_stream(&wire);
    send_message(wire.stream, message);
    close_wire(&wire);
}

/* ── the server role, writing ──────────────────────────────────────────────── */

struct answering {
    const struct fuzz_message *message;
    struct gw_session *server;
    struct wire wire;
};

static void ignore_end(void *owner, enum gw_error why)
{
    (void)owner;
    (void)why;
    FUZZ_CHECK(why == GW_E_CLIENT_GONE || why == GW_E_SHUTDOWN, "%s", gw_error_info(why)->reason);
}

static const struct gw_stream_events answering_events = { .on_room = on_room,
                                                          .on_end = ignore_end };

static void answer_with_message(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                                struct gw_head *head, bool end)
{
    struct answering *answering = ctx;

    (void)head;
    (void)end;
    gw_stream_bind(down, &answering_events, answering);
    send_message(down, answering->message);
    gw_stream_close(down, GW_OK);
    gw_arena_free(arena);
}

static void never_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                          struct gw_head *head, enum gw_error why)
{
    (void)ctx;
    (void)down;
    (void)arena;
    (void)head;
    FUZZ_CHECK(false, "our own request: %s", gw_error_info(why)->reason);
}

static void answering_closed(void *ctx, struct gw_session *server)
{
    struct answering *answering = ctx;

    (void)server;
    answering->server = NULL;
}

static const struct gw_server_events answering_server = {
    .on_request = answer_with_message,
    .on_refused = never_refused,
    .on_closed = answering_closed,
};

void fuzz_write_response(struct fuzz_reading *reading, const struct fuzz_message *message,
                         const char *method)
{
    struct answering answering = { .message = message };
    struct wire *wire = &answering.wire;
    struct gw_conn *near;
    struct gw_slice ask;

    memset(reading, 0, sizeof(*reading));
    reading->arena = gw_arena_new();
    gw_buf_init(&reading->text, TEXT_MAX);
    gw_buf_init(&reading->answers, TEXT_MAX);
    wire->reading = reading;
    gw_memory_pair_new(the_loop(), NULL, NULL, &near, &wire->far);
    gw_conn_bind(wire->far, &far_events, wire);
    answering.server =
        gw_h1_server_new(near, &limits, GW_SLICE("http"), &answering_server, &answering);
    ask = gw_arena_printf(reading->arena, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", method);
    gw_conn_write(wire->far, &ask, 1);
    turn();
    close_wire(wire);
    if (answering.server)
        gw_session_close(answering.server);
    turn();
}
