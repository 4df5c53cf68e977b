#include "http/h1_answer.h"

void gw_h1_answer_begin(struct gw_h1_answer *answer, const struct gw_head *request, bool keep_alive)
{
    answer->asked = (struct gw_h1_asked){
        .method = request->method,
        .version = request->version == 10 ? 10 : 11,
        .protocol = request->protocol,
        .keep_alive = keep_alive && !answer->last,
    };
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

static void send_final(struct gw_h1_answer *answer, struct gw_h1_session *session,
                       const struct gw_head *head, bool end)
{
    struct gw_h1_written written;
    /* A body that was announced and not called for may come or not: nothing after it can be
     * trusted. */
    bool unsure =
        answer->waits_for_100 && !session->parse.body_begun && !gw_h1_session_has_unread(session);

    if (unsure || answer->last || refuses_tunnel(&answer->asked, head->status))
        answer->asked.keep_alive = false;
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
