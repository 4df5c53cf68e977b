/* nghttp2 between a connection and its streams. Bytes that are read go in at once; frames come out
 * in a deferred call, all of a turn together, and only as long as the connection takes them. */
#include "http/h2_session.h"

#include "base/log.h"

#define ABORT_LINGER_US 1000000
#define LOG_EVERY_US 1000000

/* ── what goes ─────────────────────────────────────────────────────────────── */

static void flush(struct gw_h2_session *session)
{
    const uint8_t *data;
    ssize_t len = 0;

    session->flushing = true;
    while (!session->blocked && (len = nghttp2_session_mem_send(session->engine, &data)) > 0)
        gw_h2_room_add_frame(session, gw_slice((const char *)data, (size_t)len));
    gw_h2_room_write(session);
    session->flushing = false;
}

void gw_h2_session_flush_now(struct gw_h2_session *session)
{
    if (session->conn && !session->flushing && !session->receiving && !session->blocked)
        flush(session);
}

static void run_flush(struct gw_defer *defer)
{
    struct gw_h2_session *session = container_of(defer, struct gw_h2_session, flush);

    if (!session->conn)
        return;
    flush(session);
    if (session->flooded)
        gw_h2_session_abort(session, NGHTTP2_ENHANCE_YOUR_CALM, session->role->flooded);
    gw_h2_session_settle(session);
}

void gw_h2_session_flush_later(struct gw_h2_session *session)
{
    if (session->conn && !session->flushing)
        gw_loop_defer(session->loop, &session->flush, run_flush);
}

/* ── the connection ────────────────────────────────────────────────────────── */

/* What it brought is told now: it lies in a buffer that is needed for the next. */
static void end_read(struct gw_h2_session *session)
{
    gw_h2_session_tell(session);
    gw_h2_room_of(session->loop)->piece_count = 0;
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_h2_session *session = owner;
    ssize_t taken;

    session->receiving = true;
    taken = nghttp2_session_mem_recv(session->engine, (const uint8_t *)bytes.ptr, bytes.len);
    session->receiving = false;
    if (!session->conn) {
        end_read(session);
        return;
    }
    if (session->flooded || taken == NGHTTP2_ERR_FLOODED ||
        taken == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS)
        gw_h2_session_abort(session, NGHTTP2_ENHANCE_YOUR_CALM, session->role->flooded);
    else if (taken < 0)
        gw_h2_session_abort(session, NGHTTP2_PROTOCOL_ERROR, session->role->broken);
    end_read(session);
    if (session->conn && session->head_us && session->limits.session.head_timeout_us)
        gw_h2_session_start_timer(session, session->limits.session.head_timeout_us);
    gw_h2_session_flush_later(session);
}

static void on_room(void *owner)
{
    struct gw_h2_session *session = owner;

    session->blocked = false;
    gw_h2_session_flush_later(session);
}

/* Who ends its side sends no WINDOW_UPDATE any more: nothing can go on. */
static void on_conn_end(void *owner, enum gw_error why)
{
    struct gw_h2_session *session = owner;
    bool refused = !session->is_server && !session->settled && gw_conn_refused(session->conn);

    (void)why;
    gw_h2_session_close(session, 0, refused ? GW_E_TLS_REFUSED : GW_OK);
}

const struct gw_conn_events gw_h2_conn_events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_conn_end,
};

/* ── the end ───────────────────────────────────────────────────────────────── */

static void run_end(struct gw_defer *defer)
{
    struct gw_h2_session *session = container_of(defer, struct gw_h2_session, end);

    session->role->finish(session);
}

static void lose_stream(struct gw_h2_stream *stream, enum gw_error why)
{
    struct gw_h2_session *session = stream->session;

    if (!stream->live) {
        gw_h2_stream_settle(stream);
        return;
    }
    nghttp2_session_set_stream_user_data(session->engine, stream->id, NULL);
    if (why && !(stream->in_ended && (!session->is_server || stream->out_closed)))
        gw_h2_stream_fail(stream, why);
    gw_h2_stream_gone(stream, NGHTTP2_CANCEL);
}

void gw_h2_session_close(struct gw_h2_session *session, uint64_t linger_us, enum gw_error why)
{
    struct gw_conn *conn = session->conn;

    if (conn) {
        session->conn = NULL;
        gw_defer_cancel(&session->flush);
        gw_timer_stop(&session->timer);
        if (linger_us)
            gw_conn_close_gently(conn, linger_us);
        else
            gw_conn_close(conn);
        GW_LIST_EACH(&session->streams, node)
            lose_stream(container_of(node, struct gw_h2_stream, node), why);
    }
    if (session->owned == 0)
        gw_loop_defer(session->loop, &session->end, run_end);
}

void gw_h2_session_leave(struct gw_h2_session *session, uint32_t code)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(session->engine);

    if (session->leaving || !session->conn)
        return;
    session->leaving = true;
    nghttp2_submit_goaway(session->engine, NGHTTP2_FLAG_NONE, last, code, NULL, 0);
    gw_h2_session_flush_later(session);
}

/* Not every flood has a request whose log line would tell of it. */
static void log_flood(const struct gw_h2_session *session)
{
    static _Thread_local uint64_t next_us;
    char peer[GW_ADDR_TEXT_MAX];

    if (session->loop->clock.now_us < next_us)
        return;
    next_us = session->loop->clock.now_us + LOG_EVERY_US;
    gw_warn("http: %.*s floods its HTTP/2 connection, which ends",
            (int)gw_addr_format(gw_conn_peer(session->conn), peer), peer);
}

void gw_h2_session_abort(struct gw_h2_session *session, uint32_t code, enum gw_error why)
{
    if (code == NGHTTP2_ENHANCE_YOUR_CALM && why == session->role->flooded)
        log_flood(session);
    nghttp2_session_terminate_session(session->engine, code);
    if (!session->blocked)
        flush(session);
    gw_h2_session_close(session, ABORT_LINGER_US, why);
}

void gw_h2_session_settle(struct gw_h2_session *session)
{
    bool over;

    if (!session->conn) {
        if (session->owned == 0)
            gw_loop_defer(session->loop, &session->end, run_end);
        return;
    }
    if (session->receiving || session->flushing || session->blocked)
        return;
    over = (session->leaving || session->peer_leaves) && session->live == 0 && session->owned == 0;
    if (over && nghttp2_session_want_write(session->engine))
        gw_h2_session_flush_later(session);
    else if (over)
        gw_h2_session_close(session, ABORT_LINGER_US, GW_OK);
    else if (!nghttp2_session_want_read(session->engine) &&
             !nghttp2_session_want_write(session->engine))
        gw_h2_session_close(session, ABORT_LINGER_US, session->role->broken);
}

static void on_timer(struct gw_timer *timer)
{
    struct gw_h2_session *session = container_of(timer, struct gw_h2_session, timer);

    session->role->on_timer(session);
}

void gw_h2_session_start_timer(struct gw_h2_session *session, uint64_t delay_us)
{
    if (session->conn && (!gw_timer_running(&session->timer) ||
                          session->timer.due_us > session->loop->clock.now_us + delay_us))
        gw_timer_start(session->loop, &session->timer, delay_us, on_timer);
}
