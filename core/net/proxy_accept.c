#include "net/proxy_accept.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "net/proxy_protocol.h"

struct gw_proxy_accept {
    struct gw_conn *conn;
    struct gw_buf begun; /* of a header that comes in pieces */
    struct gw_timer timeout;
    gw_proxy_accept_cb done;
    void *ctx;
};

static void free_accept(struct gw_proxy_accept *accept)
{
    gw_timer_stop(&accept->timeout);
    gw_buf_deinit(&accept->begun);
    gw_free(accept);
}

static void finish(struct gw_proxy_accept *accept, struct gw_slice rest, enum gw_error error,
                   const char *problem)
{
    struct gw_conn *conn = accept->conn;
    gw_proxy_accept_cb done = accept->done;
    void *ctx = accept->ctx;

    free_accept(accept);
    done(ctx, conn, rest, error, problem);
}

static void take_header(struct gw_proxy_accept *accept, const struct gw_proxy_protocol *header,
                        struct gw_slice rest)
{
    if (header->source.len)
        gw_conn_set_addresses(accept->conn, &header->source, &header->destination);
    finish(accept, rest, GW_OK, NULL);
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_proxy_accept *accept = owner;
    size_t before = accept->begun.len;
    struct gw_slice seen = bytes;
    struct gw_proxy_protocol header;

    if (before) { /* no more of them than a header may have */
        size_t room = GW_PROXY_PROTOCOL_MAX - before;

        gw_buf_append(&accept->begun, gw_slice(bytes.ptr, bytes.len < room ? bytes.len : room));
        seen = gw_buf_slice(&accept->begun);
    }
    switch (gw_proxy_protocol_parse(seen, &header)) {
    case GW_PROXY_PROTOCOL_MORE: /* fewer than GW_PROXY_PROTOCOL_MAX, so there is room */
        if (!before)
            gw_buf_append(&accept->begun, bytes);
        break;
    case GW_PROXY_PROTOCOL_WHOLE:
        take_header(accept, &header, gw_slice_skip(bytes, header.len - before));
        break;
    case GW_PROXY_PROTOCOL_WRONG:
        finish(accept, GW_SLICE_EMPTY, GW_E_PROXY_HEADER, header.problem);
        break;
    }
}

static void on_room(void *owner)
{
    (void)owner; /* nothing is written */
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_proxy_accept *accept = owner;
    bool begun = accept->begun.len > 0;

    (void)why;
    finish(accept, GW_SLICE_EMPTY, begun ? GW_E_PROXY_HEADER : GW_E_CLOSED,
           begun ? "the connection ended in the middle of it" : NULL);
}

static void on_timeout(struct gw_timer *timer)
{
    struct gw_proxy_accept *accept = container_of(timer, struct gw_proxy_accept, timeout);

    finish(accept, GW_SLICE_EMPTY, accept->begun.len ? GW_E_HEAD_SLOW : GW_E_IDLE, NULL);
}

struct gw_proxy_accept *gw_proxy_accept_start(struct gw_conn *conn, uint64_t timeout_us,
                                              gw_proxy_accept_cb done, void *ctx)
{
    static const struct gw_conn_events events = {
        .on_read = on_read,
        .on_room = on_room,
        .on_end = on_end,
    };
    struct gw_proxy_accept *accept = gw_alloc_zero(sizeof(*accept));

    accept->conn = conn;
    accept->done = done;
    accept->ctx = ctx;
    gw_buf_init(&accept->begun, GW_PROXY_PROTOCOL_MAX);
    if (timeout_us)
        gw_timer_start(gw_conn_loop(conn), &accept->timeout, timeout_us, on_timeout);
    gw_conn_bind(conn, &events, accept);
    return accept;
}

void gw_proxy_accept_hurry(struct gw_proxy_accept *accept, uint64_t timeout_us)
{
    gw_timer_start(gw_conn_loop(accept->conn), &accept->timeout, timeout_us, on_timeout);
}

void gw_proxy_accept_cancel(struct gw_proxy_accept *accept)
{
    struct gw_conn *conn = accept->conn;

    free_accept(accept);
    gw_conn_close(conn);
}
