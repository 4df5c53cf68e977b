#include "server/greeting.h"

#include "base/alloc.h"

/* Of the preface; no request of HTTP/1 begins so, because the method is kept free (RFC 9113
 * 11.6). */
static const char SIGN[] = { 'P', 'R', 'I' };

struct gw_greeting {
    struct gw_conn *conn;
    char begun[sizeof(SIGN)]; /* the start of the preface, when it comes in pieces */
    size_t begun_len;
    struct gw_slice came; /* behind that, while `done` runs */
    uint64_t since_us, head_timeout_us;
    struct gw_timer timeout;
    gw_greeting_cb done;
    void *ctx;
};

static void finish(struct gw_greeting *greeting, bool is_h2, enum gw_error error)
{
    gw_timer_stop(&greeting->timeout);
    greeting->done(greeting->ctx, greeting->conn, greeting, is_h2, error);
    gw_free(greeting);
}

static void on_timeout(struct gw_timer *timer)
{
    struct gw_greeting *greeting = container_of(timer, struct gw_greeting, timeout);

    /* HTTP/1 knows what to say of a head that does not come. */
    finish(greeting, false, greeting->begun_len ? GW_OK : GW_E_IDLE);
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_greeting *greeting = owner;
    size_t at = greeting->begun_len;
    size_t more = bytes.len < sizeof(SIGN) - at ? bytes.len : sizeof(SIGN) - at;

    if (memcmp(bytes.ptr, SIGN + at, more) != 0) {
        greeting->came = bytes;
        finish(greeting, false, GW_OK);
    } else if (at + more == sizeof(SIGN)) {
        greeting->came = bytes;
        finish(greeting, true, GW_OK);
    } else {
        memcpy(greeting->begun + at, bytes.ptr, more);
        greeting->begun_len += more;
        if (greeting->head_timeout_us)
            gw_timer_start(gw_conn_loop(greeting->conn), &greeting->timeout,
                           greeting->head_timeout_us, on_timeout);
    }
}

static void on_room(void *owner)
{
    (void)owner; /* nothing is written */
}

static void on_end(void *owner, enum gw_error why)
{
    (void)why;
    finish(owner, false, GW_E_CLOSED);
}

struct gw_greeting *gw_greeting_start(struct gw_conn *conn, uint64_t idle_timeout_us,
                                      uint64_t head_timeout_us, gw_greeting_cb done, void *ctx)
{
    static const struct gw_conn_events events = {
        .on_read = on_read,
        .on_room = on_room,
        .on_end = on_end,
    };
    struct gw_greeting *greeting = gw_alloc_zero(sizeof(*greeting));

    greeting->conn = conn;
    greeting->since_us = gw_conn_loop(conn)->clock.now_us;
    greeting->head_timeout_us = head_timeout_us;
    greeting->done = done;
    greeting->ctx = ctx;
    if (idle_timeout_us)
        gw_timer_start(gw_conn_loop(conn), &greeting->timeout, idle_timeout_us, on_timeout);
    gw_conn_bind(conn, &events, greeting);
    return greeting;
}

void gw_greeting_pass_on(const struct gw_greeting *came, struct gw_conn *conn)
{
    /* So few bytes end nothing: the connection is still there for the rest. */
    gw_conn_pass_on(conn, gw_slice(came->begun, came->begun_len));
    gw_conn_pass_on(conn, came->came);
}

uint64_t gw_greeting_since(const struct gw_greeting *greeting)
{
    return greeting->since_us;
}

const struct gw_conn *gw_greeting_conn(const struct gw_greeting *greeting)
{
    return greeting->conn;
}

void gw_greeting_cancel(struct gw_greeting *greeting)
{
    struct gw_conn *conn = greeting->conn;

    gw_timer_stop(&greeting->timeout);
    gw_free(greeting);
    gw_conn_close(conn);
}
