/* nghttp2 between a connection and its streams. Bytes that are read go in at once; frames come out
 * in a deferred call, all of a turn together, and only as long as the connection takes them. */
#include "http/h2_session.h"

#include "base/alloc.h"
#include "base/log.h"

#define STREAMS_DEFAULT 128
#define STREAM_WINDOW_DEFAULT (64 * 1024)
#define OUTBOUND_ACKS_MAX 100 /* answers to SETTINGS and PING that a peer lets wait */
#define ABORT_LINGER_US 1000000
#define LOG_EVERY_US 1000000

static void run_flush(struct gw_defer *defer);

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

static const struct gw_conn_events conn_events = {
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

/* ── life ──────────────────────────────────────────────────────────────────── */

static void *engine_malloc(size_t size, void *ctx)
{
    (void)ctx;
    return gw_alloc(size ? size : 1);
}

static void engine_free(void *ptr, void *ctx)
{
    (void)ctx;
    gw_free(ptr);
}

static void *engine_calloc(size_t count, size_t size, void *ctx)
{
    (void)ctx;
    GW_ASSERT(size == 0 || count <= SIZE_MAX / size);
    return gw_alloc_zero(count > 0 && size > 0 ? count * size : 1);
}

static void *engine_realloc(void *ptr, size_t size, void *ctx)
{
    (void)ctx;
    return gw_realloc(ptr, size ? size : 1);
}

static void make_engine(struct gw_h2_session *session)
{
    nghttp2_mem memory = { NULL, engine_malloc, engine_free, engine_calloc, engine_realloc };
    nghttp2_session_callbacks *callbacks = gw_h2_callbacks_new();
    nghttp2_option *option = NULL;
    int error = nghttp2_option_new(&option);

    GW_ASSERT(error == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    error =
        session->is_server
            ? nghttp2_session_server_new3(&session->engine, callbacks, session, option, &memory)
            : nghttp2_session_client_new3(&session->engine, callbacks, session, option, &memory);
    GW_ASSERT(error == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

static void introduce(struct gw_h2_session *session)
{
    const struct gw_h2_limits *limits = &session->limits;
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->session.head_bytes },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->is_server ? limits->streams : 0 },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    const nghttp2_settings_entry client_settings[] = {
        settings[0],
        settings[1],
        settings[2],
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    int error = session->is_server
                    ? nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, settings,
                                              GW_ARRAY_LEN(settings))
                    : nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, client_settings,
                                              GW_ARRAY_LEN(client_settings));

    GW_ASSERT(error == 0);
    nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)limits->conn_window);
    gw_h2_session_flush_later(session);
}

static void set_limits(struct gw_h2_session *session, const struct gw_h2_limits *limits)
{
    struct gw_h2_limits *own = &session->limits;

    *own = *limits;
    if (!own->streams)
        own->streams = STREAMS_DEFAULT;
    if (!own->stream_window)
        own->stream_window = STREAM_WINDOW_DEFAULT;
    if (own->stream_window > INT32_MAX)
        own->stream_window = INT32_MAX;
    /* Enough for all: a stream whose owner takes nothing must not keep others waiting. */
    uint64_t all = (uint64_t)own->streams * own->stream_window + GW_H2_WINDOW_RESERVE;

    if (!own->conn_window)
        own->conn_window = all < INT32_MAX ? (uint32_t)all : INT32_MAX;
    if (own->conn_window > INT32_MAX)
        own->conn_window = INT32_MAX;
}

void gw_h2_session_init(struct gw_h2_session *session, const struct gw_h2_role *role,
                        bool is_server, struct gw_conn *conn, const struct gw_h2_limits *limits)
{
    session->role = role;
    session->is_server = is_server;
    session->conn = conn;
    session->loop = gw_conn_loop(conn);
    session->born_us = session->idle_us = session->loop->clock.now_us;
    set_limits(session, limits);
    gw_list_init(&session->streams);
    gw_list_init(&session->due);
    gw_list_init(&session->spare);
    make_engine(session);
    introduce(session);
    gw_conn_bind(conn, &conn_events, session);
}

void gw_h2_session_deinit(struct gw_h2_session *session)
{
    GW_ASSERT(!session->conn && session->owned == 0 && gw_list_empty(&session->streams));
    GW_LIST_EACH(&session->spare, node)
        gw_free(container_of(node, struct gw_h2_stream, node));
    nghttp2_session_del(session->engine);
    session->engine = NULL;
    gw_defer_cancel(&session->flush);
    gw_defer_cancel(&session->tell);
    gw_defer_cancel(&session->end);
    gw_timer_stop(&session->timer);
}
