#pragma once
/* What both roles of HTTP/1 share: one connection, one stream at a time, the parser between them.
 * The role (h1_server.c, h1_client.c) says what heads, ends and errors mean.
 *
 * Incoming: read bytes go to the parser while the role wants them; what it does not want yet is
 * queued, and reading is held when the queue grows. Outgoing: h1_out.h. Everything that must not
 * happen inside an operation happens in a deferred call. */
#include "http/h1_out.h"
#include "http/h1_parse.h"
#include "net/loop.h"

struct gw_h1_session;

struct gw_h1_role {
    /* May the parser go on? Asked before every step. */
    bool (*wants)(const struct gw_h1_session *session);
    /* parse->head is whole. */
    void (*on_head)(struct gw_h1_session *session);
    /* Bytes or the end of a message nobody listens to any more. */
    void (*on_discard)(struct gw_h1_session *session, size_t len);
    /* The parser refuses what came: parse->error. */
    void (*on_failed)(struct gw_h1_session *session);
    /* What came was parsed as far as wanted. `left`: some of it was not. */
    void (*on_settled)(struct gw_h1_session *session, bool left);
    /* The peer ended its side. Told when everything before it was parsed and the owner does not
     * hold, or at once where eof_hurries() says so. */
    void (*on_eof)(struct gw_h1_session *session);
    bool (*eof_hurries)(const struct gw_h1_session *session);
    /* While nothing is read: the peer ended its side, or is gone. NULL: the role waits for what was
     * said before that. */
    void (*on_hangup)(struct gw_h1_session *session);
    /* The connection broke. */
    void (*on_broken)(struct gw_h1_session *session);
    /* Frees the session; runs in a call of its own. */
    void (*finish)(struct gw_h1_session *session);
};

struct gw_h1_session {
    struct gw_stream stream; /* the one at work; see `open` */
    const struct gw_h1_role *role;
    struct gw_conn *conn; /* owned; NULL once closed */
    struct gw_loop *loop;
    struct gw_session_limits limits;
    struct gw_h1_parse parse;
    struct gw_h1_out out;
    struct gw_buf queue; /* read, not yet wanted */
    struct gw_defer pump, flush, tell, end;

    bool open; /* the stream has an owner who has not closed it */
    bool held; /* by the owner */
    bool conn_held;
    bool eof; /* the peer ended its side; on_eof may still be due */
    bool eof_told;
    const struct gw_slice
        *parsing;      /* what the parser has not taken yet, while it is at work; else NULL */
    bool in_done;      /* the incoming message ended, and its owner knows */
    bool failing;      /* on_end was or will be called */
    enum gw_error why; /* for on_end */
};

/* Takes the connection over and binds it. */
void gw_h1_session_init(struct gw_h1_session *session, const struct gw_h1_role *role,
                        struct gw_conn *conn, const struct gw_session_limits *limits,
                        bool is_response);

/* Frees what it holds, not itself. The connection must be closed. */
void gw_h1_session_deinit(struct gw_h1_session *session);

/* The stream begins with this message. */
void gw_h1_session_open(struct gw_h1_session *session, struct gw_arena *arena);

/* The owner is gone. */
void gw_h1_session_detach(struct gw_h1_session *session);

/* The stream cannot go on: on_end at the end of the turn. */
void gw_h1_session_fail(struct gw_h1_session *session, enum gw_error why);

/* The same, now: only from the connection's own events. */
void gw_h1_session_fail_now(struct gw_h1_session *session, enum gw_error why);

/* Closes the connection so that the peer sees a reset, and goes on like gw_h1_session_close(). */
void gw_h1_session_reset(struct gw_h1_session *session);

/* Closes the connection and has finish() called, once no stream is open. `linger_us`: what is
 * queued is sent, for so long; 0: at once. Closing again changes nothing. */
void gw_h1_session_close(struct gw_h1_session *session, uint64_t linger_us);

/* Queued bytes may be wanted again. */
void gw_h1_session_pump(struct gw_h1_session *session);

/* Bytes were read that the parser has not taken yet. */
bool gw_h1_session_has_unread(const struct gw_h1_session *session);

/* A head waits for its body; it will be sent at the end of the turn. */
void gw_h1_session_flush_later(struct gw_h1_session *session);

/* stream operations that are the same in both roles */
bool gw_h1_session_send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                             bool end);
void gw_h1_session_send_trailers(struct gw_stream *stream, const struct gw_fields *trailers);
void gw_h1_session_hold(struct gw_stream *stream, bool on);
