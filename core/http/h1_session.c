#include "http/h1_session.h"

#define QUEUE_SOFT (16 * 1024) /* more than this is not read ahead */
#define READ_HELD (16 * 1024)  /* what one more read may bring while the owner holds */

static const struct gw_conn_events conn_events;

static void run_pump(struct gw_defer *defer);
static void run_flush(struct gw_defer *defer);
static void run_tell(struct gw_defer *defer);
static void run_end(struct gw_defer *defer);

/* Bounded by one read beyond QUEUE_SOFT: reading is held then. */
static void init_queue(struct gw_h1_session *session)
{
    gw_buf_init(&session->queue, SIZE_MAX / 2);
}

static void keep(struct gw_h1_session *session, struct gw_slice bytes)
{
    bool kept = gw_buf_append(&session->queue, bytes);

    GW_ASSERT(kept);
}

void gw_h1_session_init(struct gw_h1_session *session, const struct gw_h1_role *role,
                        struct gw_conn *conn, const struct gw_session_limits *limits,
                        bool is_response)
{
    session->role = role;
    session->conn = conn;
    session->loop = gw_conn_loop(conn);
    session->limits = *limits;
    gw_h1_parse_init(&session->parse, is_response, &session->limits);
    init_queue(session);
    gw_conn_bind(conn, &conn_events, session);
}

void gw_h1_session_deinit(struct gw_h1_session *session)
{
    GW_ASSERT(!session->conn);
    gw_h1_parse_deinit(&session->parse);
    gw_buf_deinit(&session->queue);
    gw_defer_cancel(&session->pump);
    gw_defer_cancel(&session->flush);
    gw_defer_cancel(&session->tell);
    gw_defer_cancel(&session->end);
}

void gw_h1_session_open(struct gw_h1_session *session, struct gw_arena *arena)
{
    GW_ASSERT(!session->open);
    session->stream.arena = arena;
    session->stream.events = NULL;
    session->stream.owner = NULL;
    session->open = true;
    session->held = session->in_done = session->failing = false;
    gw_defer_cancel(&session->end);
    gw_h1_out_begin(&session->out, session->conn);
}

void gw_h1_session_detach(struct gw_h1_session *session)
{
    GW_ASSERT(session->open);
    gw_defer_cancel(&session->tell);
    gw_defer_cancel(&session->flush);
    session->stream.events = NULL;
    session->stream.owner = NULL;
    session->stream.arena = NULL;
    session->out.pending = GW_SLICE_EMPTY;
    session->open = false;
    if (session->held)
        gw_h1_session_hold(&session->stream, false);
    gw_h1_parse_forget(&session->parse);
}

/* ── ending ────────────────────────────────────────────────────────────────── */

static void tell_end(struct gw_h1_session *session)
{
    if (session->open && session->stream.events)
        session->stream.events->on_end(session->stream.owner, session->why);
}

static void run_tell(struct gw_defer *defer)
{
    tell_end(container_of(defer, struct gw_h1_session, tell));
}

void gw_h1_session_fail(struct gw_h1_session *session, enum gw_error why)
{
    if (!session->open || session->failing)
        return;
    session->failing = true;
    session->why = why;
    gw_loop_defer(session->loop, &session->tell, run_tell);
}

void gw_h1_session_fail_now(struct gw_h1_session *session, enum gw_error why)
{
    if (!session->open || session->failing)
        return;
    session->failing = true;
    session->why = why;
    tell_end(session);
}

static void run_end(struct gw_defer *defer)
{
    struct gw_h1_session *session = container_of(defer, struct gw_h1_session, end);

    session->role->finish(session);
}

void gw_h1_session_close(struct gw_h1_session *session, uint64_t linger_us)
{
    struct gw_conn *conn = session->conn;

    session->conn = session->out.conn = NULL;
    gw_defer_cancel(&session->pump);
    gw_defer_cancel(&session->flush);
    if (conn && linger_us)
        gw_conn_close_gently(conn, linger_us);
    else if (conn)
        gw_conn_close(conn);
    if (!session->open)
        gw_loop_defer(session->loop, &session->end, run_end);
}

void gw_h1_session_reset(struct gw_h1_session *session)
{
    struct gw_conn *conn = session->conn;

    session->conn = NULL;
    if (conn)
        gw_conn_reset(conn);
    gw_h1_session_close(session, 0);
}

/* ── incoming ──────────────────────────────────────────────────────────────── */

static bool has_owner(const struct gw_h1_session *session)
{
    return session->open && session->stream.events && !session->failing;
}

static void deliver_body(struct gw_h1_session *session, struct gw_slice bytes, bool end)
{
    session->in_done = session->in_done || end;
    if (has_owner(session))
        session->stream.events->on_body(session->stream.owner, bytes, end);
    else
        session->role->on_discard(session, bytes.len);
}

static void deliver_trailers(struct gw_h1_session *session)
{
    session->in_done = true;
    if (has_owner(session))
        session->stream.events->on_trailers(session->stream.owner, session->parse.trailers);
    else
        session->role->on_discard(session, 0);
}

static void deliver(struct gw_h1_session *session, enum gw_h1_step step, struct gw_slice body)
{
    switch (step) {
    case GW_H1_MORE:
        break;
    case GW_H1_HEAD:
        session->role->on_head(session);
        break;
    case GW_H1_BODY:
        deliver_body(session, body, session->parse.ended);
        break;
    case GW_H1_TRAILERS:
        deliver_trailers(session);
        break;
    case GW_H1_END:
        deliver_body(session, GW_SLICE_EMPTY, true);
        break;
    case GW_H1_FAILED:
        session->role->on_failed(session);
        break;
    }
}

/* Takes bytes off the front as long as the role wants them. Owners may do anything to the stream
 * meanwhile; the session itself stays until finish(), which runs in a deferred call. */
static void parse(struct gw_h1_session *session, struct gw_slice *input)
{
    GW_ASSERT(!session->parsing);
    session->parsing = input;
    while (input->len && session->conn && session->role->wants(session)) {
        struct gw_slice body;
        enum gw_h1_step step = gw_h1_parse_next(&session->parse, input, &body);

        if (step == GW_H1_MORE)
            break;
        deliver(session, step, body);
    }
    session->parsing = NULL;
}

static void hold_conn(struct gw_h1_session *session, bool on)
{
    if (session->conn && session->conn_held != on)
        gw_conn_hold(session->conn, on);
    session->conn_held = on;
}

static bool eof_is_due(const struct gw_h1_session *session)
{
    bool waits = session->queue.len || (session->open && session->held);

    return session->eof && !session->eof_told && (!waits || session->role->eof_hurries(session));
}

static void settle(struct gw_h1_session *session)
{
    bool left = session->queue.len > 0;

    if (!session->conn)
        return;
    if (!left && session->queue.data) { /* idle connections hold nothing */
        gw_buf_deinit(&session->queue);
        init_queue(session);
    }
    session->role->on_settled(session, left);
    if (session->conn && eof_is_due(session)) {
        session->eof_told = true;
        session->role->on_eof(session);
    }
    /* A held stream reads once more before that costs system calls; most bodies have ended by
     * then. */
    hold_conn(session, session->queue.len > QUEUE_SOFT || (session->held && session->queue.len));
}

static void parse_queue(struct gw_h1_session *session)
{
    struct gw_slice input = gw_buf_slice(&session->queue);

    parse(session, &input);
    gw_buf_consume(&session->queue, session->queue.len - input.len);
}

static void on_read(void *owner, struct gw_slice bytes)
{
    struct gw_h1_session *session = owner;

    if (session->queue.len) {
        keep(session, bytes);
        parse_queue(session);
    } else {
        parse(session, &bytes);
        if (bytes.len && session->conn)
            keep(session, bytes);
    }
    settle(session);
}

static void run_pump(struct gw_defer *defer)
{
    struct gw_h1_session *session = container_of(defer, struct gw_h1_session, pump);

    parse_queue(session);
    settle(session);
}

void gw_h1_session_pump(struct gw_h1_session *session)
{
    bool work = session->queue.len || session->conn_held || (session->eof && !session->eof_told);

    if (work && session->conn && !session->parsing)
        gw_loop_defer(session->loop, &session->pump, run_pump);
}

bool gw_h1_session_has_unread(const struct gw_h1_session *session)
{
    return session->parsing ? session->parsing->len > 0 : session->queue.len > 0;
}

static void on_room(void *owner)
{
    struct gw_h1_session *session = owner;

    if (has_owner(session) && session->stream.events->on_room)
        session->stream.events->on_room(session->stream.owner);
}

static void on_conn_end(void *owner, enum gw_error why)
{
    struct gw_h1_session *session = owner;

    if (why != GW_E_CLOSED) {
        session->role->on_broken(session);
        return;
    }
    session->eof = true;
    settle(session);
}

static void on_hangup(void *owner)
{
    struct gw_h1_session *session = owner;

    if (session->role->on_hangup)
        session->role->on_hangup(session);
}

static const struct gw_conn_events conn_events = {
    .on_hangup = on_hangup,
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_conn_end,
};

/* ── stream operations ─────────────────────────────────────────────────────── */

static void run_flush(struct gw_defer *defer)
{
    struct gw_h1_session *session = container_of(defer, struct gw_h1_session, flush);

    gw_h1_out_flush(&session->out);
}

void gw_h1_session_flush_later(struct gw_h1_session *session)
{
    if (session->conn && session->out.pending.len)
        gw_loop_defer(session->loop, &session->flush, run_flush);
}

bool gw_h1_session_send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                             bool end)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);
    bool room = true;

    if (session->failing)
        return true;

    enum gw_error error = gw_h1_out_body(&session->out, bytes, owner, end, &room);

    if (error)
        gw_h1_session_fail(session, error);
    return room;
}

void gw_h1_session_send_trailers(struct gw_stream *stream, const struct gw_fields *trailers)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);

    if (session->failing)
        return;

    enum gw_error error = gw_h1_out_trailers(&session->out, trailers, stream->arena);

    if (error)
        gw_h1_session_fail(session, error);
}

void gw_h1_session_hold(struct gw_stream *stream, bool on)
{
    struct gw_h1_session *session = container_of(stream, struct gw_h1_session, stream);

    if (session->held == on)
        return;
    session->held = on;
    if (session->conn)
        gw_conn_set_read_limit(session->conn, on ? READ_HELD : 0);
    if (!on)
        gw_h1_session_pump(session);
}
