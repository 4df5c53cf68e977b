#include "net/tls_start.h"

#include "base/alloc.h"

struct gw_tls_start {
    struct gw_conn *conn;
    struct gw_timer timeout;
    gw_tls_start_cb done;
    void *ctx;
};

static void finish(struct gw_tls_start *start, enum gw_tls_failure failure, const char *detail)
{
    struct gw_conn *conn = start->conn;
    gw_tls_start_cb done = start->done;
    void *ctx = start->ctx;

    gw_timer_stop(&start->timeout);
    gw_free(start);
    done(ctx, conn, failure, detail);
}

static void on_secure(void *owner, enum gw_tls_failure failure, const char *detail)
{
    finish(owner, failure, detail);
}

static void on_read(void *owner, struct gw_slice bytes)
{
    (void)owner; /* on_secure comes before every byte */
    (void)bytes;
}

static void on_room(void *owner)
{
    (void)owner; /* nothing is written */
}

static void on_end(void *owner, enum gw_error why)
{
    (void)why;
    finish(owner, GW_TLS_FAILURE_CLOSED, "");
}

static void on_timeout(struct gw_timer *timer)
{
    finish(container_of(timer, struct gw_tls_start, timeout), GW_TLS_FAILURE_SLOW, "");
}

struct gw_tls_start *gw_tls_start_new(struct gw_conn *conn, struct gw_tls *tls,
                                      struct gw_slice came, uint64_t timeout_us,
                                      gw_tls_start_cb done, void *ctx)
{
    static const struct gw_conn_events events = {
        .on_read = on_read,
        .on_room = on_room,
        .on_end = on_end,
        .on_secure = on_secure,
    };
    struct gw_tls_start *start = gw_alloc_zero(sizeof(*start));

    start->conn = conn;
    start->done = done;
    start->ctx = ctx;
    if (timeout_us)
        gw_timer_start(gw_conn_loop(conn), &start->timeout, timeout_us, on_timeout);
    gw_conn_start_tls(conn, tls, came);
    gw_conn_bind(conn, &events, start);
    return start;
}

void gw_tls_start_hurry(struct gw_tls_start *start, uint64_t timeout_us)
{
    gw_timer_start(gw_conn_loop(start->conn), &start->timeout, timeout_us, on_timeout);
}

void gw_tls_start_cancel(struct gw_tls_start *start)
{
    struct gw_conn *conn = start->conn;

    gw_timer_stop(&start->timeout);
    gw_free(start);
    gw_conn_close(conn);
}
