#include "h2_wire.h"

#include "base/alloc.h"
#include "http/token.h"
#include "net/memory_pair.h"

#define TURNS 16
#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"

/* Both ends of one connection with a session on the near one. */
struct wire {
    struct gw_conn *far;
    struct gw_session *server;
    struct gw_h2_client *client;
    struct gw_list owners;
    bool far_ended;
};

/* Of a stream. */
struct owner {
    struct gw_list_node node;
    struct wire *wire;
    struct gw_stream *stream;
    struct gw_arena *arena;
    enum gw_method asked; /* a client */
    int64_t length, got;
    bool hears_head, ended, tunnel;
    unsigned pieces;
};

/* One loop for all inputs: its clock stands still. */
static struct gw_loop *the_loop(void)
{
    static struct gw_loop *loop;

    if (!loop)
        loop = gw_loop_new(true);
    return loop;
}

static void turn(void)
{
    struct gw_loop *loop = the_loop();

    for (int i = 0; i < TURNS && !gw_list_empty(&loop->deferred); i++)
        gw_loop_advance(loop, 0);
}

static const struct gw_h2_limits limits = {
    .session = {
        .head_bytes = 4096,
        .headers = 30,
        .target_bytes = 1024,
        .head_timeout_us = 10000000,
        .idle_timeout_us = 60000000,
    },
    .streams = 8,
};

/* ── owners of streams ─────────────────────────────────────────────────────── */

static void close_owner(struct owner *owner, enum gw_error why)
{
    struct gw_stream *stream = owner->stream;

    gw_list_remove(&owner->node);
    gw_stream_close(stream, why);
    gw_arena_free(owner->arena);
    gw_free(owner);
}

static void check_fields(const struct gw_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++) {
        struct gw_slice name = fields->items[i].name;

        FUZZ_CHECK(gw_field_name_valid(name), "'%.*s'", GW_SLICE_ARG(name));
        FUZZ_CHECK(gw_field_value_valid(fields->items[i].value), "of '%.*s'", GW_SLICE_ARG(name));
        FUZZ_CHECK(!gw_slice_equal(name, GW_SLICE("transfer-encoding")) &&
                       !gw_slice_equal(name, GW_SLICE("connection")) &&
                       !gw_slice_equal(name, GW_SLICE("content-length")),
                   "'%.*s' is framing", GW_SLICE_ARG(name));
    }
}

/* Every second request is answered before it is whole, with a piece now and a piece later; every
 * third with one that is worth a write of its own. */
static void answer(struct owner *owner, bool now)
{
    static const char large[40000];
    const struct gw_head head = { .status = 200, .version = 11, .body_length = GW_BODY_UNKNOWN };
    bool is_third = gw_stream_number(owner->stream) % 3 == 0;

    gw_stream_send_head(owner->stream, &head, false);
    if (is_third)
        gw_stream_send_body(owner->stream, gw_slice(large, sizeof(large)), NULL, false);
    gw_stream_send_body(owner->stream, GW_SLICE("ok"), NULL, now);
    if (now)
        close_owner(owner, GW_OK);
}

static void came(struct owner *owner)
{
    FUZZ_CHECK(!owner->ended, "a second end");
    owner->ended = true;
    if (owner->length >= 0 && !owner->tunnel)
        FUZZ_CHECK(owner->got == owner->length, "%lld of %lld", (long long)owner->got,
                   (long long)owner->length);
    if (owner->wire->server)
        answer(owner, true);
    else
        close_owner(owner, GW_OK);
}

static void on_head(void *ctx, struct gw_head *head, bool end)
{
    struct owner *owner = ctx;

    FUZZ_CHECK(!owner->hears_head, "a head behind the final one");
    FUZZ_CHECK(head->status >= 100 && head->status <= 599, "%d", head->status);
    check_fields(&head->fields);
    owner->hears_head = head->status >= 200;
    owner->length = owner->asked == GW_METHOD_HEAD || end ? -1 : head->body_length;
    if (end)
        came(owner);
}

static void on_body(void *ctx, struct gw_slice bytes, bool end)
{
    struct owner *owner = ctx;

    FUZZ_CHECK(owner->hears_head && !owner->ended, "a body out of place");
    owner->got += (int64_t)bytes.len;
    if (end) {
        came(owner);
        return;
    }
    if (++owner->pieces % 3 == 0)
        gw_stream_hold(owner->stream, true);
}

static void on_trailers(void *ctx, struct gw_fields *trailers)
{
    struct owner *owner = ctx;

    FUZZ_CHECK(owner->hears_head && !owner->ended, "trailers out of place");
    check_fields(trailers);
    came(owner);
}

static void on_room(void *ctx)
{
    (void)ctx;
}

static void on_end(void *ctx, enum gw_error why)
{
    FUZZ_CHECK(why != GW_OK, "an end without a reason");
    close_owner(ctx, why);
}

static const struct gw_stream_events stream_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static struct owner *own(struct wire *wire, struct gw_stream *stream, struct gw_arena *arena)
{
    struct owner *owner = gw_alloc_zero(sizeof(*owner));

    owner->wire = wire;
    owner->stream = stream;
    owner->arena = arena;
    owner->length = -1;
    gw_list_append(&wire->owners, &owner->node);
    gw_stream_bind(stream, &stream_events, owner);
    return owner;
}

static void let_go(struct wire *wire)
{
    GW_LIST_EACH(&wire->owners, node)
        gw_stream_hold(container_of(node, struct owner, node)->stream, false);
}

/* ── sessions ──────────────────────────────────────────────────────────────── */

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct owner *owner = own(ctx, down, arena);

    FUZZ_CHECK(head->authority.len && gw_visible_valid(head->authority), "authority");
    FUZZ_CHECK(gw_token_valid(head->method_name), "method");
    FUZZ_CHECK(gw_visible_valid(head->path) && gw_visible_valid(head->query), "path");
    FUZZ_CHECK(head->method == GW_METHOD_CONNECT || head->path.len, "no path");
    check_fields(&head->fields);
    owner->hears_head = true;
    owner->length = end ? -1 : head->body_length;
    if (end)
        came(owner);
    else if (gw_stream_number(down) % 2)
        answer(owner, false);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    (void)head;
    FUZZ_CHECK(why != GW_OK, "refused without a reason");
    close_owner(own(ctx, down, arena), why);
}

static void on_server_closed(void *ctx, struct gw_session *server)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->server == server && gw_list_empty(&wire->owners), "closed with a stream");
    wire->server = NULL;
}

static const struct gw_server_events server_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_server_closed,
};

static void on_client_news(void *ctx, struct gw_h2_client *client)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->client == client, "somebody else's client");
}

static void on_client_closed(void *ctx, struct gw_h2_client *client)
{
    struct wire *wire = ctx;

    FUZZ_CHECK(wire->client == client && gw_list_empty(&wire->owners), "closed with a stream");
    wire->client = NULL;
}

static const struct gw_h2_client_events client_events = {
    .on_room_for_streams = on_client_news,
    .on_idle = on_client_news,
    .on_closed = on_client_closed,
};

/* ── the other end ─────────────────────────────────────────────────────────── */

static void far_read(void *ctx, struct gw_slice bytes)
{
    (void)ctx;
    (void)bytes;
}

static void far_end(void *ctx, enum gw_error why)
{
    struct wire *wire = ctx;

    (void)why;
    wire->far_ended = true;
}

static const struct gw_conn_events far_events = {
    .on_read = far_read,
    .on_room = on_room,
    .on_end = far_end,
};

static struct gw_conn *open_wire(struct wire *wire)
{
    struct gw_conn *near;

    memset(wire, 0, sizeof(*wire));
    gw_list_init(&wire->owners);
    gw_memory_pair_new(the_loop(), NULL, NULL, &near, &wire->far);
    gw_conn_bind(wire->far, &far_events, wire);
    return near;
}

static void write_cut(struct wire *wire, struct gw_slice bytes)
{
    struct fuzz_choice choice = fuzz_choice((const uint8_t *)bytes.ptr, bytes.len);

    while (bytes.len && !wire->far_ended) {
        size_t len = 1 + fuzz_pick(&choice, 64);
        struct gw_slice piece = gw_slice(bytes.ptr, len < bytes.len ? len : bytes.len);

        gw_conn_write(wire->far, &piece, 1);
        bytes = gw_slice_skip(bytes, piece.len);
        turn();
        let_go(wire);
    }
}

static void close_wire(struct wire *wire)
{
    turn();
    let_go(wire);
    turn();
    gw_conn_close(wire->far);
    turn();
    FUZZ_CHECK(gw_list_empty(&wire->owners), "a stream outlives its connection");
    FUZZ_CHECK(!wire->server && !wire->client, "a session outlives its connection");
}

void fuzz_h2_requests(struct gw_slice frames)
{
    unsigned before = gw_conn_count();
    struct gw_slice preface = GW_SLICE(PREFACE);
    struct wire wire;
    struct gw_conn *near = open_wire(&wire);

    wire.server = gw_h2_server_new(near, &limits, GW_SLICE("http"), &server_events, &wire);
    gw_conn_write(wire.far, &preface, 1);
    turn();
    write_cut(&wire, frames);
    close_wire(&wire);
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}

static void ask(struct wire *wire, const char *method, bool end)
{
    static const char large[80000]; /* more than the first windows take */
    struct gw_arena *arena = gw_arena_new();
    struct gw_stream *stream = gw_h2_client_open(wire->client, arena);
    struct gw_head head = {
        .method_name = gw_slice_from(method),
        .method = gw_method_parse(gw_slice_from(method)),
        .authority = GW_SLICE("a:1"),
        .path = GW_SLICE("/"),
        .body_length = end ? GW_BODY_NONE : GW_BODY_UNKNOWN,
    };

    own(wire, stream, arena)->asked = head.method;
    gw_stream_send_head(stream, &head, end);
    if (!end) {
        gw_stream_send_body(stream, GW_SLICE("hello"), NULL, false);
        gw_stream_send_body(stream, gw_slice(large, sizeof(large)), NULL, false);
    }
}

void fuzz_h2_answers(struct gw_slice frames)
{
    unsigned before = gw_conn_count();
    struct wire wire;
    struct gw_conn *near = open_wire(&wire);

    wire.client = gw_h2_client_new(near, &limits, &client_events, &wire);
    ask(&wire, "GET", true);
    ask(&wire, "POST", false);
    ask(&wire, "HEAD", true);
    turn();
    write_cut(&wire, frames);
    close_wire(&wire);
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}
