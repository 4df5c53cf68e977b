#include "http/h1_answer.h"

#include "http/websocket_key.h"

static void note_key(struct gw_h1_answer *answer, const struct gw_head *request)
{
    const struct gw_slice *key = gw_fields_get(&request->fields, GW_WEBSOCKET_KEY_FIELD);

    if (key && gw_slice_equal(request->protocol, GW_WEBSOCKET))
        answer->asked.key = *key;
}

void gw_h1_answer_begin(struct gw_h1_answer *answer, const struct gw_head *request, bool keep_alive)
{
    answer->asked = (struct gw_h1_asked){
        .method = request->method,
        .version = request->version == 10 ? 10 : 11,
        .protocol = request->protocol,
        .keep_alive = keep_alive && !answer->last,
    };
    if (request->protocol.len)
        note_key(answer, request);
    answer->waits_for_100 = request->expect_continue;
}

void gw_h1_answer_bare(struct gw_h1_answer *answer, struct gw_h1_session *session, int status)
{
    struct gw_head head = { .status = status, .body_length = 0 };
    struct gw_h1_written written;

    answer->asked.keep_alive = false;
    answer->asked.wall_us = session->loop->clock.wall_us;
    if (!gw_h1_write_response(&head, true, &answer->asked, session->stream.arena, &written))
        gw_h1_out_head(&session->out, &written, true);
}

static void send_interim(struct gw_h1_answer *answer, struct gw_h1_session *session,
                         const struct gw_head *head)
{
    struct gw_h1_written written;

    if (answer->asked.version == 10) /* RFC 9110 15.2 */
        return;
    if (gw_h1_write_response(head, false, &answer->asked, session->stream.arena, &written)) {
        gw_h1_session_fail(session, GW_E_INTERNAL);
        return;
    }
    if (head->status == 100)
        answer->waits_for_100 = false;
    gw_h1_out_interim(&session->out, written.text);
}

/* Who asked for a tunnel and does not get one may have sent bytes of it already: they are never
 * read as requests. */
static bool refuses_tunnel(const struct gw_h1_asked *asked, int status)
{
    if (asked->method == GW_METHOD_CONNECT)
        return status >= 300;
    return asked->protocol.len && status != 101;
}

/* A service of HTTP/2 (RFC 8441) has no proof to give. What one of HTTP/1 gave is passed on: the
 * client will judge it. */
static struct gw_head prove(const struct gw_h1_answer *answer, const struct gw_head *head,
                            struct gw_arena *arena)
{
    struct gw_head proven = *head;
    char *accept;

    if (gw_fields_get(&head->fields, GW_WEBSOCKET_ACCEPT_FIELD))
        return proven;
    accept = gw_arena_alloc(arena, GW_WEBSOCKET_ACCEPT_LEN);
    gw_websocket_accept(answer->asked.key, accept);
    proven.fields = (struct gw_fields){ NULL, 0, 0 };
    gw_fields_copy(&proven.fields, arena, &head->fields);
    gw_fields_add(&proven.fields, arena, GW_WEBSOCKET_ACCEPT_FIELD,
                  gw_slice(accept, GW_WEBSOCKET_ACCEPT_LEN));
    return proven;
}

static void send_final(struct gw_h1_answer *answer, struct gw_h1_session *session,
                       const struct gw_head *head, bool end)
{
    struct gw_h1_written written;
    struct gw_head proven;
    /* A body that was announced and not called for may come or not: nothing after it can be
     * trusted. */
    bool unsure =
        answer->waits_for_100 && !session->parse.body_begun && !gw_h1_session_has_unread(session);

    if (unsure || answer->last || refuses_tunnel(&answer->asked, head->status))
        answer->asked.keep_alive = false;
    if (head->status == 101 && answer->asked.key.len) {
        proven = prove(answer, head, session->stream.arena);
        head = &proven;
    }
    answer->asked.wall_us = session->loop->clock.wall_us;
    if (gw_h1_write_response(head, end, &answer->asked, session->stream.arena, &written)) {
        gw_h1_answer_bare(answer, session, gw_error_info(GW_E_INTERNAL)->status);
        gw_h1_session_fail(session, GW_E_INTERNAL);
        return;
    }
    gw_h1_out_head(&session->out, &written, end);
    if (written.body == GW_H1_BODY_TUNNEL) {
        gw_h1_parse_tunnel(&session->parse);
        session->in_done = false;
        gw_h1_session_pump(session);
    }
    gw_h1_session_flush_later(session);
}

void gw_h1_answer_head(struct gw_h1_answer *answer, struct gw_h1_session *session,
                       const struct gw_head *head, bool end)
{
    if (session->failing)
        return;
    if (session->out.started)
        gw_h1_session_fail(session, GW_E_INTERNAL);
    else if (head->status < 200 && head->status != 101)
        send_interim(answer, session, head);
    else
        send_final(answer, session, head, end);
}
