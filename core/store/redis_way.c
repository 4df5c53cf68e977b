#include "store/redis_way.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "net/reach.h"
#include "net/resolver.h"

#include <stdio.h>

#define GREETINGS_MAX 3
#define GREETING_BYTES ((size_t)64 * 1024) /* of all replies to it together */

struct gw_redis_way {
    struct gw_loop *loop;
    const struct gw_redis_server *server;
    struct gw_resolve *resolve; /* one of these three */
    struct gw_reach *reach;
    struct gw_conn *conn;
    struct gw_redis_reader *reader; /* of the replies to the greeting */
    struct gw_arena *arena;
    unsigned came, sent;          /* replies, greetings */
    bool may_fail[GREETINGS_MAX]; /* by place */
    uint64_t until_us;
    struct gw_timer timer;
    gw_redis_way_cb done;
    void *ctx;
};

static const struct gw_redis_options *options_of(const struct gw_redis_way *way)
{
    return &way->server->options;
}

static void free_way(struct gw_redis_way *way)
{
    gw_timer_stop(&way->timer);
    if (way->resolve)
        gw_resolve_cancel(way->resolve);
    if (way->reach)
        gw_reach_cancel(way->reach);
    if (way->conn)
        gw_conn_close(way->conn);
    gw_redis_reader_free(way->reader);
    gw_arena_free(way->arena);
    gw_free(way);
}

static void fail(struct gw_redis_way *way, enum gw_redis_end why, const char *detail)
{
    gw_redis_way_cb done = way->done;
    void *ctx = way->ctx;

    free_way(way);
    done(ctx, NULL, why, detail);
}

static void succeed(struct gw_redis_way *way)
{
    gw_redis_way_cb done = way->done;
    void *ctx = way->ctx;
    struct gw_conn *conn = way->conn;

    way->conn = NULL;
    free_way(way);
    done(ctx, conn, GW_REDIS_ANSWERED, "");
}

static void on_late(struct gw_timer *timer)
{
    struct gw_redis_way *way = container_of(timer, struct gw_redis_way, timer);

    if (way->conn)
        fail(way, GW_REDIS_NO_CONNECT, "it does not answer to our greeting");
    else
        fail(way, GW_REDIS_NO_ADDRESS, "its name server does not answer");
}

/* ── the greeting ── */

/* Redis repeats what it did not understand, which may be the password: only the first word, which
 * is a code, is fit for a log. */
static void fail_login(struct gw_redis_way *way, const struct gw_redis_value *value)
{
    char code[32];
    size_t len = 0;

    while (len < value->text.len && len < sizeof(code) - 1 && value->text.ptr[len] >= 'A' &&
           value->text.ptr[len] <= 'Z') {
        code[len] = value->text.ptr[len];
        len++;
    }
    code[len] = '\0';
    fail(way, GW_REDIS_NO_LOGIN, code);
}

/* True when one more came, and others must. */
static bool read_one(struct gw_redis_way *way)
{
    struct gw_redis_value *value;

    switch (gw_redis_reader_next(way->reader, way->arena, &value)) {
    case GW_REDIS_READ_MORE:
        return false;
    case GW_REDIS_READ_MALFORMED:
        fail(way, GW_REDIS_MALFORMED, "");
        return false;
    case GW_REDIS_READ_TOO_LARGE:
        fail(way, GW_REDIS_TOO_LARGE, "");
        return false;
    case GW_REDIS_READ_VALUE:
        break;
    }
    if (value->type == GW_REDIS_ERROR && !way->may_fail[way->came]) {
        fail_login(way, value);
        return false;
    }
    if (++way->came < way->sent)
        return true;
    if (gw_redis_reader_rest(way->reader))
        fail(way, GW_REDIS_MALFORMED, "it speaks unasked");
    else
        succeed(way);
    return false;
}

/* What does not fit into one piece is no answer to a greeting. */
static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_redis_way *way = owner;

    gw_redis_reader_feed(way->reader, &bytes);
    if (bytes.len) {
        fail(way, GW_REDIS_MALFORMED, "it speaks unasked");
        return;
    }
    while (read_one(way))
        continue;
}

static void on_room(void *owner)
{
    (void)owner;
}

static void on_end(void *owner, enum gw_error why)
{
    fail(owner, GW_REDIS_NO_CONNECT,
         why == GW_E_CLOSED ? "it closed the connection" : gw_error_info(why)->reason);
}

static const struct gw_conn_events events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
};

static void add_greeting(struct gw_redis_way *way, struct gw_buf *buf, const struct gw_slice *parts,
                         unsigned count, bool may_fail)
{
    GW_ASSERT(gw_redis_write_command(buf, parts, count));
    way->may_fail[way->sent++] = may_fail;
}

/* Who we are, which database, and how we are called in CLIENT LIST, where that is allowed. */
static void greet(struct gw_redis_way *way)
{
    const struct gw_redis_options *options = options_of(way);
    const struct gw_slice name[] = { GW_SLICE("CLIENT"), GW_SLICE("SETNAME"),
                                     GW_SLICE("moongate") };
    struct gw_slice auth[3] = { GW_SLICE("AUTH") };
    unsigned count = 1;
    struct gw_buf buf;

    gw_buf_init(&buf, SIZE_MAX / 2);
    if (options->password.len) {
        if (options->username.len)
            auth[count++] = options->username;
        auth[count++] = options->password;
        add_greeting(way, &buf, auth, count, false);
    }
    if (options->database) {
        char number[16];
        int len = snprintf(number, sizeof(number), "%u", options->database);
        const struct gw_slice select[] = { GW_SLICE("SELECT"), gw_slice(number, (size_t)len) };

        add_greeting(way, &buf, select, 2, false);
    }
    add_greeting(way, &buf, name, 3, true);

    struct gw_slice bytes = gw_buf_slice(&buf);

    gw_conn_write(way->conn, &bytes, 1);
    gw_buf_deinit(&buf);
}

/* ── the connection ── */

static void on_reached(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_redis_way *way = ctx;
    uint64_t now_us = way->loop->clock.now_us;

    way->reach = NULL;
    if (error) {
        fail(way, GW_REDIS_NO_CONNECT, gw_error_info(error)->reason);
        return;
    }
    way->conn = conn;
    way->reader = gw_redis_reader_new(GREETING_BYTES);
    way->arena = gw_arena_new();
    gw_conn_bind(conn, &events, way);
    gw_timer_start(way->loop, &way->timer, way->until_us > now_us ? way->until_us - now_us : 1,
                   on_late);
    greet(way);
}

static void reach(struct gw_redis_way *way, const struct gw_addr *addr)
{
    const struct gw_redis_options *options = options_of(way);
    uint64_t now_us = way->loop->clock.now_us;
    const struct gw_reach_options want = {
        .loop = way->loop,
        .addr = addr,
        .timeout_us = way->until_us > now_us ? way->until_us - now_us : 1,
        .tls = options->tls,
        .name = options->server_name,
        .key = way->server->tls_key,
    };

    way->reach = gw_reach_start(&want, on_reached, way);
}

static void on_resolved(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_redis_way *way = ctx;

    way->resolve = NULL;
    gw_timer_stop(&way->timer);
    if (error || answer->count == 0)
        fail(way, GW_REDIS_NO_ADDRESS, "");
    else
        reach(way, &answer->addrs[gw_random_below(&way->loop->random, answer->count)]);
}

/* False: its name must be asked for. */
static bool has_address(const struct gw_redis_options *options, struct gw_addr *addr)
{
    char text[GW_ADDR_TEXT_MAX + 8];

    if (!options->unix_socket.len)
        return gw_addr_parse_ip(addr, options->host, options->port);

    int len = snprintf(text, sizeof(text), "unix:%s", options->unix_socket.ptr);

    GW_ASSERT(gw_addr_parse(addr, gw_slice(text, (size_t)len))); /* the configuration saw to it */
    return true;
}

struct gw_redis_way *gw_redis_way_start(struct gw_loop *loop, const struct gw_redis_server *server,
                                        gw_redis_way_cb done, void *ctx)
{
    struct gw_redis_way *way = gw_alloc_zero(sizeof(*way));
    const struct gw_redis_options *options = &server->options;
    struct gw_addr addr;

    way->loop = loop;
    way->server = server;
    way->until_us = loop->clock.now_us + options->connect_timeout_us;
    way->done = done;
    way->ctx = ctx;
    if (has_address(options, &addr)) {
        reach(way, &addr);
        return way;
    }
    gw_timer_start(loop, &way->timer, options->connect_timeout_us, on_late);
    way->resolve = gw_resolve_start(loop, options->host.ptr, options->port, on_resolved, way);
    return way;
}

void gw_redis_way_cancel(struct gw_redis_way *way)
{
    free_way(way);
}
