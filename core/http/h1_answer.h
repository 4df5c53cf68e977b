#pragma once
/* The server role's outgoing half: what heads become, given the request they answer. */
#include "http/h1_session.h"

struct gw_h1_answer {
    struct gw_h1_asked asked;
    bool waits_for_100; /* the client said that it would send no body before a 100 */
    bool last;          /* the connection is to end, whatever the client wants */
};

/* For a new request (or what is known of one that is refused); `keep_alive`: the connection may go
 * on after it. */
void gw_h1_answer_begin(struct gw_h1_answer *answer, const struct gw_head *request,
                        bool keep_alive);

/* A 1xx or the final head. What cannot be written becomes a 500, and the stream fails. */
void gw_h1_answer_head(struct gw_h1_answer *answer, struct gw_h1_session *session,
                       const struct gw_head *head, bool end);

/* An answer with nothing but its status, and the last one. */
void gw_h1_answer_bare(struct gw_h1_answer *answer, struct gw_h1_session *session, int status);
