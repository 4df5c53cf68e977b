#include "net/dial.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/conn_private.h"
#include "net/outside.h"
#include "net/relief.h"

#include <errno.h>

struct gw_dial {
    struct gw_conn *conn; /* owned until handed to `done`; NULL once closed, or outside */
    uv_connect_t connect;
    bool connecting;            /* on_connect() will come, and frees */
    struct gw_outside *outside; /* connects in libuv's place; NULL once it has ended */
    struct gw_timer timeout;
    struct gw_defer refused; /* libuv said no at once */
    bool no_descriptor;      /* for want of one */
    gw_dial_cb done;         /* NULL once ended */
    void *ctx;
};

static void free_unless_connecting(struct gw_dial *dial)
{
    if (!dial->connecting)
        gw_free(dial);
}

/* Ends without a connection; `done` gets the error unless it was cancelled. */
static void fail(struct gw_dial *dial, enum gw_error error)
{
    gw_dial_cb done = dial->done;
    void *ctx = dial->ctx;

    gw_timer_stop(&dial->timeout);
    gw_defer_cancel(&dial->refused);
    if (dial->outside)
        dial->outside->dial_gone(dial->outside, dial);
    dial->outside = NULL;
    if (dial->conn)
        gw_conn_close(dial->conn);
    dial->conn = NULL;
    dial->done = NULL;
    free_unless_connecting(dial);
    if (error)
        done(ctx, NULL, error);
}

static void on_timeout(struct gw_timer *timer)
{
    fail(container_of(timer, struct gw_dial, timeout), GW_E_CONNECT_TIMEOUT);
}

static void on_refused(struct gw_defer *defer)
{
    struct gw_dial *dial = container_of(defer, struct gw_dial, refused);

    fail(dial, dial->no_descriptor ? GW_E_DESCRIPTORS : GW_E_CONNECT);
}

static void on_connect(uv_connect_t *request, int status)
{
    struct gw_dial *dial = container_of(request, struct gw_dial, connect);

    dial->connecting = false;
    if (!dial->done) { /* ended before: the connection is closed already */
        gw_free(dial);
        return;
    }
    gw_loop_woke(gw_conn_loop(dial->conn));
    if (status == 0 && GW_FAULT(CONNECT_LATER))
        status = -errno;
    if (status < 0) {
        fail(dial, status == UV_ETIMEDOUT                       ? GW_E_CONNECT_TIMEOUT
                   : status == UV_EMFILE || status == UV_ENFILE ? GW_E_DESCRIPTORS
                                                                : GW_E_CONNECT);
        return;
    }
    gw_timer_stop(&dial->timeout);
    dial->done(dial->ctx, dial->conn, GW_OK);
    gw_free(dial);
}

static int connect_to(struct gw_dial *dial, const struct gw_addr *addr)
{
    uv_stream_t *stream = gw_conn_stream(dial->conn);

    if (addr->sa.any.sa_family == AF_UNIX) {
        uv_pipe_connect(&dial->connect, (uv_pipe_t *)stream, addr->sa.un.sun_path, on_connect);
        return 0; /* it reports later, whatever happens */
    }
    uv_tcp_nodelay((uv_tcp_t *)stream, 1); /* kept for the descriptor to come */
    return GW_FAULT_UV(
        CONNECT, uv_tcp_connect(&dial->connect, (uv_tcp_t *)stream, &addr->sa.any, on_connect));
}

/* Without a descriptor idle connections make room for it. */
static int connect_somehow(struct gw_dial *dial, const struct gw_addr *addr)
{
    int error = connect_to(dial, addr);

    if ((error == UV_EMFILE || error == UV_ENFILE) && gw_loop_relieve(gw_conn_loop(dial->conn)))
        error = connect_to(dial, addr);
    dial->no_descriptor = error == UV_EMFILE || error == UV_ENFILE;
    return error;
}

struct gw_dial *gw_dial_start(struct gw_loop *loop, const struct gw_addr *addr, uint64_t timeout_us,
                              gw_dial_cb done, void *ctx)
{
    struct gw_dial *dial = gw_alloc_zero(sizeof(*dial));

    dial->done = done;
    dial->ctx = ctx;
    if (loop->outside && loop->outside->dial(loop->outside, dial, addr)) {
        dial->outside = loop->outside;
        gw_timer_start(loop, &dial->timeout, timeout_us, on_timeout);
        return dial;
    }
    dial->conn = gw_conn_new_unconnected(loop, addr);
    dial->connecting = connect_somehow(dial, addr) == 0;
    if (dial->connecting)
        gw_timer_start(loop, &dial->timeout, timeout_us, on_timeout);
    else
        gw_loop_defer(loop, &dial->refused, on_refused);
    return dial;
}

void gw_dial_settle(struct gw_dial *dial, struct gw_conn *conn, enum gw_error error)
{
    dial->outside = NULL;
    if (error) {
        fail(dial, error);
        return;
    }
    gw_timer_stop(&dial->timeout);
    dial->done(dial->ctx, conn, GW_OK);
    gw_free(dial);
}

void gw_dial_cancel(struct gw_dial *dial)
{
    fail(dial, GW_OK);
}

bool gw_dial_is_outside(const struct gw_dial *dial)
{
    return dial->outside != NULL;
}
