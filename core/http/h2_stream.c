/* A stream of HTTP/2: how it begins and ends, and what its owner is told when. What comes and what
 * goes are in files of their own (h2_receive.c, h2_send.c). */
#include "http/h2_session.h"

#include "base/alloc.h"

#define SPARES_MAX 16

/* ── life ──────────────────────────────────────────────────────────────────── */

struct gw_h2_stream *gw_h2_stream_new(struct gw_h2_session *session)
{
    struct gw_list_node *node = gw_list_first(&session->spare);
    struct gw_h2_stream *stream;

    if (node) {
        stream = container_of(node, struct gw_h2_stream, node);
        gw_list_remove(node);
        session->spares--;
        memset(stream, 0, sizeof(*stream));
    } else {
        stream = gw_alloc_zero(sizeof(*stream));
    }
    stream->session = session;
    stream->remaining = -1;
    stream->window = session->limits.stream_window;
    gw_list_init(&stream->in);
    gw_list_init(&stream->out);
    gw_list_append(&session->streams, &stream->node);
    return stream;
}

void gw_h2_stream_settle(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;

    if (stream->open || stream->live || stream->busy || (stream->malformed && session->conn))
        return;
    gw_arena_free(stream->arena); /* of a head that nobody has heard of, and nobody will */
    stream->arena = NULL;
    stream->malformed = false;
    gw_h2_stream_drop_in(stream);
    gw_h2_stream_drop_out(stream);
    gw_list_remove(&stream->node);
    gw_list_remove(&stream->due);
    if (session->spares < SPARES_MAX && session->conn) {
        gw_list_append(&session->spare, &stream->node);
        session->spares++;
    } else {
        gw_free(stream);
    }
    session->role->on_settled(session);
}

/* ── telling ───────────────────────────────────────────────────────────────── */

/* A head that nobody has heard of: somebody should, where the connection is fine. */
static void tell_malformed(struct gw_h2_stream *stream)
{
    stream->malformed = false;
    if (stream->session->conn && stream->session->role->on_malformed)
        stream->session->role->on_malformed(stream);
    gw_arena_free(stream->arena);
    stream->arena = NULL;
}

/* Owners may close in any of these; the stream itself is put away only after that. */
static void tell(struct gw_h2_stream *stream)
{
    stream->busy = true;
    if (stream->malformed)
        tell_malformed(stream);
    gw_h2_stream_tell_in(stream);
    if (stream->open)
        gw_h2_stream_tell_room(stream);
    if (stream->open && stream->stream.events && stream->failing && !stream->told) {
        stream->told = true;
        stream->stream.events->on_end(stream->stream.owner, stream->why);
    }
    stream->busy = false;
    gw_h2_stream_settle(stream);
}

void gw_h2_session_tell(struct gw_h2_session *session)
{
    struct gw_list due;

    /* What becomes due meanwhile has its turn in the next call. */
    gw_list_init(&due);
    GW_LIST_EACH(&session->due, node) {
        gw_list_remove(node);
        gw_list_append(&due, node);
    }
    for (struct gw_list_node *node; (node = gw_list_first(&due));) {
        gw_list_remove(node);
        tell(container_of(node, struct gw_h2_stream, due));
    }
}

static void run_tell(struct gw_defer *defer)
{
    gw_h2_session_tell(container_of(defer, struct gw_h2_session, tell));
}

void gw_h2_stream_wake(struct gw_h2_stream *stream)
{
    struct gw_h2_session *session = stream->session;

    if (!gw_list_linked(&stream->due))
        gw_list_append(&session->due, &stream->due);
    gw_loop_defer(session->loop, &session->tell, run_tell);
}

void gw_h2_stream_fail(struct gw_h2_stream *stream, enum gw_error why)
{
    if (!stream->open || stream->failing)
        return;
    stream->failing = true;
    stream->why = why;
    gw_h2_stream_drop_in(stream);
    gw_h2_stream_wake(stream);
}

/* ── closing ───────────────────────────────────────────────────────────────── */

void gw_h2_stream_detach(struct gw_h2_stream *stream)
{
    GW_ASSERT(stream->open);
    stream->open = false;
    stream->stream.events = NULL;
    stream->stream.owner = NULL;
    stream->stream.arena = NULL;
    stream->session->owned--;
    gw_h2_stream_drop_in(stream);
}

void gw_h2_stream_reset(struct gw_h2_stream *stream, uint32_t code)
{
    if (!stream->live)
        return;
    gw_h2_stream_drop_out(stream);
    stream->resets = true;
    nghttp2_submit_rst_stream(stream->session->engine, NGHTTP2_FLAG_NONE, stream->id, code);
    gw_h2_session_flush_later(stream->session);
}

void gw_h2_stream_gone(struct gw_h2_stream *stream, uint32_t code)
{
    struct gw_h2_session *session = stream->session;
    bool whole = stream->in_ended && (!session->is_server || stream->out_closed);

    stream->live = false;
    session->live--;
    session->grown -= stream->window - session->limits.stream_window;
    stream->window = session->limits.stream_window;
    gw_h2_stream_drop_out(stream);
    if (stream->arena && session->conn) {
        stream->malformed = true;
        gw_h2_stream_wake(stream);
        return;
    }
    if (stream->wants_room)
        gw_h2_stream_wake(stream);
    if (stream->open && !whole) {
        enum gw_error why;

        session->role->name_loss(stream, code, &why);
        gw_h2_stream_fail(stream, why);
    }
    gw_h2_stream_settle(stream);
}
