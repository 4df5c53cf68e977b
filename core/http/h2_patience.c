/* What takes a client of HTTP/2 too long: its greeting, a head, the next request, the end after it
 * was asked to go, and an answer that it does not take. */
#include "http/h2_server.h"

#define ACK_US 10000000  /* for our SETTINGS to be taken */
#define LOOK_US 10000000 /* how often streams that stand still are looked for */

static void sooner(uint64_t *due_us, uint64_t since_us, uint64_t limit_us)
{
    if (limit_us && since_us + limit_us < *due_us)
        *due_us = since_us + limit_us;
}

/* It is left running when that has passed. */
void gw_h2_server_start_timer(struct gw_h2_server *server)
{
    struct gw_h2_session *session = &server->session;
    const struct gw_session_limits *limits = &session->limits.session;
    uint64_t now_us = session->loop->clock.now_us, due_us = UINT64_MAX;

    if (server->noticed_us && !session->leaving)
        sooner(&due_us, server->noticed_us, GW_H2_NOTICE_US);
    if (!session->settled)
        sooner(&due_us, session->born_us, limits->head_timeout_us);
    if (!session->acked)
        sooner(&due_us, session->born_us, ACK_US);
    if (session->head_us)
        sooner(&due_us, session->head_us, limits->head_timeout_us);
    if (gw_h2_server_is_idle(session))
        sooner(&due_us, session->idle_us, limits->idle_timeout_us);
    else
        sooner(&due_us, now_us, LOOK_US);
    if (due_us != UINT64_MAX)
        gw_h2_session_start_timer(session, due_us > now_us ? due_us - now_us : 1);
}

static bool is_due(uint64_t since_us, uint64_t limit_us, uint64_t now_us)
{
    return limit_us && now_us - since_us >= limit_us;
}

/* An answer whose owner has gone, and a client that opens no window for it. */
static void look_for_stalls(struct gw_h2_server *server)
{
    struct gw_h2_session *session = &server->session;
    uint64_t least = session->limits.session.min_rate * (LOOK_US / 1000000);

    GW_LIST_EACH(&session->streams, node) {
        struct gw_h2_stream *stream = container_of(node, struct gw_h2_stream, node);

        bool waits = !stream->open && stream->out_bytes;

        if (waits && stream->waited && stream->framed - stream->looked_at < (least ? least : 1))
            gw_h2_stream_reset(stream, NGHTTP2_CANCEL);
        stream->waited = waits; /* who began to wait just now has had no time */
        stream->looked_at = stream->framed;
    }
    server->looked_us = session->loop->clock.now_us;

    bool waited = server->waited;

    server->waited = session->blocked && !session->owned;
    if (!server->waited)
        return;

    uint64_t taken = gw_conn_bytes_taken(session->conn);

    if (waited && taken - server->taken < (least ? least : 1))
        gw_h2_session_close(session, 0, GW_OK); /* it does not read at all */
    server->taken = taken;
}

void gw_h2_server_on_timer(struct gw_h2_session *session)
{
    struct gw_h2_server *server = container_of(session, struct gw_h2_server, session);
    const struct gw_session_limits *limits = &session->limits.session;
    uint64_t now_us = session->loop->clock.now_us;

    if (server->noticed_us && is_due(server->noticed_us, GW_H2_NOTICE_US, now_us))
        gw_h2_session_leave(session, NGHTTP2_NO_ERROR);
    if (session->head_us && is_due(session->head_us, limits->head_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_ENHANCE_YOUR_CALM, GW_OK);
    else if (!session->settled && is_due(session->born_us, limits->head_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_SETTINGS_TIMEOUT, GW_OK);
    else if (!session->acked && is_due(session->born_us, ACK_US, now_us))
        gw_h2_session_abort(session, NGHTTP2_SETTINGS_TIMEOUT, GW_OK);
    else if (gw_h2_server_is_idle(session) &&
             is_due(session->idle_us, limits->idle_timeout_us, now_us))
        gw_h2_session_abort(session, NGHTTP2_NO_ERROR, GW_OK);
    else if (is_due(server->looked_us, LOOK_US, now_us))
        look_for_stalls(server);
    if (session->conn)
        gw_h2_server_start_timer(server);
}
