#include "tls_wire.h"

#include "net/memory_pair.h"
#include "net/tls_client.h"
#include "net/tls_self.h"
#include "net/tls_tickets.h"

#define TURNS 400
#define TEXT_SIZE 40000
#define INSERT_MOST 64

struct end {
    struct wire *wire;
    struct end *other;
    struct gw_conn *near; /* NULL once closed */
    struct gw_conn *far;
    struct gw_buf got;
    bool is_server, secure, failed, whole;
    unsigned told; /* on_secure */
};

struct wire {
    struct end ends[2];
    struct gw_slice input;
    const struct end *altered_end; /* whose bytes are altered */
    bool altered;
};

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

/* ── engines ───────────────────────────────────────────────────────────────── */

static struct gw_tls *server_engine(void)
{
    static struct gw_tls_server *server;

    if (!server) {
        struct gw_tls_self *self = gw_tls_self_new();
        const struct gw_slice names[] = { GW_SLICE("a.test"), GW_SLICE("*.b.test") };
        struct gw_tls_identity identity = gw_tls_self_identity(self);
        const struct gw_tls_server_options options = {
            .identities = &identity,
            .identity_count = 1,
            .http2 = true,
            .tickets = gw_tls_tickets_new(),
        };
        char why[256];

        identity.names = names;
        identity.name_count = 2;
        server = gw_tls_server_new(&options, why, sizeof(why));
        FUZZ_CHECK(server, "%s", why);
        gw_tls_self_free(self);
    }
    return gw_tls_server_accept(server);
}

static struct gw_tls *client_engine(void)
{
    static struct gw_tls_client *client;

    if (!client) {
        const struct gw_tls_client_options options = { .label = GW_SLICE("fuzz"), .http2 = true };
        struct gw_tls_client_set *set = gw_tls_client_set_new();
        char why[256];

        client = gw_tls_client_set_get(set, &options, why, sizeof(why));
        FUZZ_CHECK(client, "%s", why);
        gw_tls_client_set_free(set); /* the client is counted */
    }
    return gw_tls_client_connect(client, GW_SLICE("x.b.test"), NULL, GW_SLICE_EMPTY);
}

/* ── the two ends ──────────────────────────────────────────────────────────── */

static struct gw_slice text_of(bool is_server)
{
    static char texts[2][TEXT_SIZE];

    if (!texts[0][0])
        for (size_t i = 0; i < TEXT_SIZE; i++) {
            texts[0][i] = (char)('a' + i % 23);
            texts[1][i] = (char)('A' + i % 19);
        }
    return gw_slice(texts[is_server], TEXT_SIZE);
}

static void close_near(struct end *end)
{
    if (end->near)
        gw_conn_close(end->near);
    end->near = NULL;
}

/* Small, over many records, and the rest. */
static void send_text(struct end *end)
{
    struct gw_slice text = text_of(end->is_server), rest = gw_slice_skip(text, 33000);
    const struct gw_slice parts[] = { gw_slice(text.ptr, 9), gw_slice(text.ptr + 9, 32991) };

    gw_conn_write(end->near, parts, 2);
    gw_conn_write(end->near, &rest, 1);
    gw_conn_shutdown(end->near);
}

static void on_secure(void *ctx, enum gw_tls_failure failure, const char *detail)
{
    struct end *end = ctx;

    FUZZ_CHECK(end->told++ == 0, "a second end of the handshake");
    FUZZ_CHECK(detail && *gw_tls_failure_reason(failure) && *gw_tls_failure_text(failure), "words");
    end->secure = failure == GW_TLS_FAILURE_NONE;
    end->failed = !end->secure;
    if (end->failed)
        close_near(end);
    else
        send_text(end);
}

static void on_read(void *ctx, struct gw_slice bytes)
{
    struct end *end = ctx;
    struct gw_slice text = text_of(!end->is_server);

    FUZZ_CHECK(end->secure && !end->whole, "bytes out of place");
    FUZZ_CHECK(end->got.len + bytes.len <= text.len, "more than was said");
    FUZZ_CHECK(memcmp(text.ptr + end->got.len, bytes.ptr, bytes.len) == 0,
               "other than was said: %zu at %zu", bytes.len, end->got.len);
    gw_buf_append(&end->got, bytes);
}

static void on_room(void *ctx)
{
    (void)ctx;
}

static void on_end(void *ctx, enum gw_error why)
{
    struct end *end = ctx;

    if (why == GW_E_CLOSED && end->secure && !gw_conn_cut(end->near)) {
        FUZZ_CHECK(end->got.len == TEXT_SIZE, "the end after %zu bytes", end->got.len);
        end->whole = true;
    } else {
        end->failed = true;
        close_near(end);
    }
}

static const struct gw_conn_events near_events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
    .on_secure = on_secure,
};

/* ── who is between them ───────────────────────────────────────────────────── */

static unsigned next_byte(struct wire *wire)
{
    unsigned byte;

    if (wire->input.len == 0)
        return 0;
    byte = (unsigned char)wire->input.ptr[0];
    wire->input = gw_slice_skip(wire->input, 1);
    return byte;
}

static void pass(struct end *to, struct gw_slice bytes)
{
    if (bytes.len && to->far)
        gw_conn_write(to->far, &bytes, 1);
}

static void flip(struct wire *wire, struct end *to, struct gw_slice bytes)
{
    unsigned high = next_byte(wire), low = next_byte(wire);
    char *owned;
    struct gw_slice copy = fuzz_copy((const uint8_t *)bytes.ptr, bytes.len, &owned);

    owned[(high * 256 + low) % bytes.len] ^= (char)(1u << (high % 8));
    pass(to, copy);
    free(owned);
}

static void insert(struct wire *wire, struct end *to, struct gw_slice bytes)
{
    size_t at = next_byte(wire) % (bytes.len + 1), len = 1 + next_byte(wire) % INSERT_MOST;

    if (len > wire->input.len)
        len = wire->input.len;
    pass(to, gw_slice(bytes.ptr, at));
    pass(to, gw_slice(wire->input.ptr, len));
    wire->input = gw_slice_skip(wire->input, len);
    pass(to, gw_slice_skip(bytes, at));
}

static void in_crumbs(struct end *to, struct gw_slice bytes, size_t size)
{
    while (bytes.len) {
        size_t len = bytes.len < size ? bytes.len : size;

        pass(to, gw_slice(bytes.ptr, len));
        bytes = gw_slice_skip(bytes, len);
    }
}

/* One step for each piece that passes; an input that is used up lets all of them pass. */
static void alter(struct wire *wire, struct end *to, struct gw_slice bytes)
{
    unsigned step = next_byte(wire);

    wire->altered = wire->altered || step % 8 >= 4;
    switch (step % 8) {
    case 1:
        in_crumbs(to, bytes, 1 + step / 8);
        break;
    case 2:
        gw_conn_hold(to->near, step & 8);
        pass(to, bytes);
        break;
    case 4:
        flip(wire, to, bytes);
        break;
    case 5:
        pass(to, gw_slice(bytes.ptr, bytes.len - 1 - next_byte(wire) % bytes.len));
        break;
    case 6:
        pass(to, bytes);
        pass(to, bytes);
        break;
    case 7:
        insert(wire, to, bytes);
        break;
    default:
        pass(to, bytes);
        break;
    }
}

static void far_read(void *ctx, struct gw_slice bytes)
{
    struct end *end = ctx;

    if (!end->other)
        return;
    if (end->wire->altered_end == end && end->other->near)
        alter(end->wire, end->other, bytes);
    else
        pass(end->other, bytes);
}

static void far_end(void *ctx, enum gw_error why)
{
    struct end *end = ctx;

    if (end->other && end->other->far)
        gw_conn_shutdown(end->other->far);
    if (why != GW_E_CLOSED && end->far) {
        gw_conn_close(end->far);
        end->far = NULL;
    }
}

static const struct gw_conn_events far_events = {
    .on_read = far_read,
    .on_room = on_room,
    .on_end = far_end,
};

/* ── life ──────────────────────────────────────────────────────────────────── */

static void open_end(struct wire *wire, struct end *end, bool is_server)
{
    *end = (struct end){ .wire = wire, .is_server = is_server };
    gw_buf_init(&end->got, TEXT_SIZE);
    gw_memory_pair_new(the_loop(), NULL, NULL, &end->near, &end->far);
    gw_conn_bind(end->far, &far_events, end);
    gw_conn_start_tls(end->near, is_server ? server_engine() : client_engine(), GW_SLICE_EMPTY);
    gw_conn_bind(end->near, &near_events, end);
}

static void let_go(struct end *end)
{
    if (end->near)
        gw_conn_hold(end->near, false);
}

static void close_end(struct end *end)
{
    end->other = NULL;
    close_near(end);
    if (end->far)
        gw_conn_close(end->far);
    end->far = NULL;
    gw_buf_deinit(&end->got);
}

void fuzz_tls_between(struct gw_slice input, bool from_client)
{
    unsigned before = gw_conn_count();
    struct wire wire = { .input = input };
    struct end *client = &wire.ends[0], *server = &wire.ends[1];

    wire.altered_end = from_client ? client : server;
    open_end(&wire, client, false);
    open_end(&wire, server, true);
    client->other = server;
    server->other = client;
    for (int i = 0; i < 4; i++) { /* a held end goes on, and may be held again */
        turn();
        let_go(client);
        let_go(server);
    }
    turn();
    if (!wire.altered)
        FUZZ_CHECK(client->whole && server->whole, "nothing was altered: client %zu, server %zu",
                   client->got.len, server->got.len);
    close_end(client);
    close_end(server);
    turn();
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}

void fuzz_tls_alone(struct gw_slice input, bool is_server)
{
    unsigned before = gw_conn_count();
    struct fuzz_choice choice = fuzz_choice((const uint8_t *)input.ptr, input.len);
    struct wire wire = { .altered = true };
    struct end *end = &wire.ends[0];

    open_end(&wire, end, is_server);
    turn();
    while (input.len && end->far && end->near) {
        size_t len = 1 + fuzz_pick(&choice, 200);

        if (len > input.len)
            len = input.len;
        pass(end, gw_slice(input.ptr, len));
        input = gw_slice_skip(input, len);
        turn();
    }
    FUZZ_CHECK(!end->secure, "nobody shook hands");
    if (end->far)
        gw_conn_shutdown(end->far);
    turn();
    FUZZ_CHECK(end->failed, "it waits for ever");
    close_end(end);
    turn();
    FUZZ_CHECK(gw_conn_count() == before, "a connection was left open");
}
