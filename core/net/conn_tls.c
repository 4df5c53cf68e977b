/* TLS within a connection: ciphertext that comes goes through the engine before the owner hears of
 * it, what the owner writes becomes records before it is sent.
 *
 * One read is decrypted as a whole into the loop's room and told in one on_read. While nobody takes
 * bytes, what has come is kept as it is, at most one read; reading is off then. */
#include "base/alloc.h"
#include "base/buf.h"
#include "net/conn_private.h"

#include <assert.h>

struct gw_conn_tls {
    struct gw_conn *conn;
    struct gw_tls *engine;
    struct gw_buf kept;    /* ciphertext that nobody took yet */
    struct gw_defer go_on; /* with what is kept */
    bool again;            /* the engine has more to tell without further bytes */
    bool secure;           /* the handshake is done */
    bool cut;              /* the peer's end came on the wire alone */
};

static struct gw_tls_room *room_of(struct gw_loop *loop)
{
    static_assert(sizeof(loop->tls_room->plain) >= GW_READ_BUFFER_SIZE,
                  "one read is decrypted at once");
    if (!loop->tls_room)
        loop->tls_room = gw_alloc_zero(sizeof(*loop->tls_room));
    return loop->tls_room;
}

/* ── out ── */

static bool send_records(struct gw_conn *conn, struct gw_tls_room *room)
{
    struct gw_slice records = gw_slice(room->records, room->records_len);

    room->records_len = 0;
    return records.len == 0 || gw_conn_send(conn, &records, 1, NULL);
}

bool gw_conn_tls_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count)
{
    struct gw_tls_room *room = room_of(conn->loop);
    enum gw_tls_result result;
    size_t taken = 0;
    bool more = true;

    if (conn->sending != GW_CONN_SENDS || conn->closing)
        return gw_conn_send(conn, slices, count, NULL); /* which refuses */
    GW_ASSERT(conn->tls->secure);
    do {
        result = gw_tls_write(conn->tls->engine, room, slices, count, &taken);
        more = send_records(conn, room);
    } while (result == GW_TLS_FULL && conn->sending == GW_CONN_SENDS);
    return more;
}

void gw_conn_tls_say_end(struct gw_conn *conn)
{
    struct gw_tls_room *room = room_of(conn->loop);

    gw_tls_shutdown(conn->tls->engine, room);
    send_records(conn, room);
}

/* ── in ── */

static bool is_wanted(const struct gw_conn *conn)
{
    return conn->events && !conn->held && conn->receiving == GW_CONN_RECEIVES;
}

static void fail_handshake(struct gw_conn *conn, struct gw_tls_room *room)
{
    struct gw_conn_tls *tls = conn->tls;
    enum gw_tls_failure failure = gw_tls_failure(tls->engine);
    const char *detail = gw_tls_detail(tls->engine);

    GW_ASSERT(failure != GW_TLS_FAILURE_NONE); /* nobody may take this for a secure one */
    if (failure == GW_TLS_FAILURE_PLAIN_HTTP)
        room->records_len = 0;
    send_records(conn, room);
    gw_conn_tls_free(conn);
    if (conn->events->on_secure)
        conn->events->on_secure(conn->owner, failure, detail);
}

/* False: more has to come, or it is over. */
static bool shake_hands(struct gw_conn *conn, struct gw_slice *in)
{
    struct gw_tls_room *room = room_of(conn->loop);
    enum gw_tls_result result = gw_tls_handshake(conn->tls->engine, room, in);

    if (result != GW_TLS_DONE && result != GW_TLS_MORE && result != GW_TLS_FULL) {
        fail_handshake(conn, room);
        return false;
    }
    send_records(conn, room);
    if (result != GW_TLS_DONE)
        return result == GW_TLS_FULL;
    conn->tls->secure = true;
    if (conn->events->on_secure)
        conn->events->on_secure(conn->owner, GW_TLS_FAILURE_NONE, "");
    return true;
}

/* False: more has to come, or it is over. */
static bool decrypt(struct gw_conn *conn, struct gw_slice *in)
{
    struct gw_tls_room *room = room_of(conn->loop);
    enum gw_tls_result result = gw_tls_read(conn->tls->engine, room, in);
    struct gw_slice plain = gw_slice(room->plain, room->plain_len);

    room->plain_len = 0;
    send_records(conn, room);
    if (plain.len && conn->events) {
        gw_conn_tell_bytes(conn, plain);
        if (result == GW_TLS_MORE)
            return false;
        if (!is_wanted(conn))
            return true; /* which ends the loop and remembers that there is more */
    }
    if (result == GW_TLS_ENDED)
        gw_conn_tell_end(conn, GW_E_CLOSED);
    else if (result == GW_TLS_FAILED)
        gw_conn_tell_end(conn, GW_E_RESET);
    return result == GW_TLS_DONE || result == GW_TLS_FULL;
}

/* Takes what it can off the front of *in. The owner may do anything in its events; the connection's
 * memory outlives them. */
static void take(struct gw_conn *conn, struct gw_slice *in)
{
    bool more = true;

    while (more && conn->tls && is_wanted(conn)) {
        conn->tls->again = false;
        more = conn->tls->secure ? decrypt(conn, in) : shake_hands(conn, in);
    }
    if (conn->tls && !conn->closing)
        conn->tls->again = more;
}

static void keep(struct gw_conn_tls *tls, struct gw_slice bytes)
{
    if (bytes.len && !gw_buf_append(&tls->kept, bytes))
        GW_ASSERT(!"reading goes on while nobody takes");
}

static void take_kept(struct gw_conn *conn)
{
    struct gw_slice in = gw_buf_slice(&conn->tls->kept);
    struct gw_buf kept = conn->tls->kept;
    size_t len = in.len;

    gw_buf_init(&conn->tls->kept, kept.max);
    take(conn, &in);
    if (conn->tls && in.len == len) {
        conn->tls->kept = kept;
        return;
    }
    if (conn->tls && !conn->closing)
        keep(conn->tls, in);
    gw_buf_deinit(&kept);
}

void gw_conn_tls_got_bytes(struct gw_conn *conn, struct gw_slice bytes)
{
    if (conn->tls->kept.len) {
        keep(conn->tls, bytes);
        take_kept(conn);
        return;
    }
    take(conn, &bytes);
    if (conn->tls && !conn->closing && conn->receiving == GW_CONN_RECEIVES)
        keep(conn->tls, bytes);
}

void gw_conn_tls_got_end(struct gw_conn *conn)
{
    if (conn->tls->kept.len || conn->tls->again)
        take_kept(conn);
    if (conn->tls && conn->receiving == GW_CONN_RECEIVES)
        conn->tls->cut = true;
}

static void go_on(struct gw_defer *defer)
{
    struct gw_conn *conn = container_of(defer, struct gw_conn_tls, go_on)->conn;

    if (is_wanted(conn))
        take_kept(conn);
}

void gw_conn_tls_go_on(struct gw_conn *conn)
{
    if (conn->tls->kept.len || conn->tls->again)
        gw_loop_defer(conn->loop, &conn->tls->go_on, go_on);
}

/* ── life ── */

void gw_conn_start_tls(struct gw_conn *conn, struct gw_tls *engine, struct gw_slice came)
{
    struct gw_conn_tls *tls = gw_alloc_zero(sizeof(*tls));

    GW_ASSERT(!conn->tls && !conn->closing);
    tls->conn = conn;
    tls->engine = engine;
    gw_buf_init(&tls->kept, 2 * GW_READ_BUFFER_SIZE);
    keep(tls, came);
    conn->tls = tls;
    tls->again = gw_tls_is_client(engine); /* its hello needs no bytes of the peer */
    gw_conn_tls_go_on(conn);
}

void gw_conn_tls_free(struct gw_conn *conn)
{
    struct gw_conn_tls *tls = conn->tls;

    if (!tls)
        return;
    conn->tls = NULL;
    gw_defer_cancel(&tls->go_on);
    gw_buf_deinit(&tls->kept);
    gw_tls_free(tls->engine);
    gw_free(tls);
}

void gw_conn_rest(struct gw_conn *conn)
{
    if (conn->tls)
        gw_tls_rest(conn->tls->engine);
}

bool gw_conn_tls_keeps(const struct gw_conn *conn)
{
    return conn->tls && conn->tls->kept.len;
}

const struct gw_tls *gw_conn_tls(const struct gw_conn *conn)
{
    return conn->tls ? conn->tls->engine : NULL;
}

bool gw_conn_cut(const struct gw_conn *conn)
{
    return conn->tls && conn->tls->cut;
}

bool gw_conn_refused(const struct gw_conn *conn)
{
    return conn->tls && gw_tls_failure(conn->tls->engine) == GW_TLS_FAILURE_ALERT;
}
