#pragma once
/* What both roles of HTTP/2 share: one connection, many streams, nghttp2 between them. The role
 * (h2_server.c, h2_client.c) says what heads and ends mean.
 *
 *   h2_begin.c    the engine, what it tells the peer of itself, the windows
 *   h2_session.c  bytes in, frames out, the end of all of it
 *   h2_frames.c   nghttp2's callbacks
 *   h2_room.c     frames of many streams become one write
 *   h2_stream.c   a stream's life, and what its owner is told when it may be
 *   h2_receive.c  bytes of a body that come, and the peer's window for them
 *   h2_send.c     bytes of a body that go
 *   h2_head.c     fields that come → gw_head
 *   h2_write.c    gw_head → fields that go
 *   h2_guard.c    peers that make us work for nothing
 *
 * nghttp2 is fed from the connection's own events and asked for frames in a deferred call, or from
 * send_body() with a piece that is worth a write of its own; what it then says is told later. A
 * stream lives as long as its owner or nghttp2 knows it. */
#include "base/check.h"
#include "http/h2.h"
#include "http/h2_guard.h"
#include "net/conn_private.h" /* for its chunks */
#include "net/loop.h"

#ifndef GW_CDEF
#include <nghttp2/nghttp2.h>
#endif

#define GW_H2_PARTS 64 /* as many as a socket takes at once */
#define GW_H2_PIECES 64
#define GW_H2_FRAMES_SIZE (48 * 1024)
#define GW_H2_JOINED_SIZE (128 * 1024)
#define GW_H2_WINDOW_RESERVE (1024 * 1024) /* for streams whose window grows */

struct gw_h2_session;
struct gw_h2_stream;

struct gw_h2_role {
    /* The final head, an interim one, or a request's is whole: stream->head. `end`: no body. */
    void (*on_head)(struct gw_h2_stream *stream, bool end);
    /* nghttp2 ended a stream whose head was malformed, before anybody heard of it. NULL: it cannot
     * be. */
    void (*on_malformed)(struct gw_h2_stream *stream);
    /* What the peer's reset or leaving means for the stream's owner. */
    void (*name_loss)(const struct gw_h2_stream *stream, uint32_t code, enum gw_error *why);
    /* What the owners are told when the peer breaks the connection's rules. */
    enum gw_error broken;
    /* And when it makes us work for nothing. */
    enum gw_error flooded;
    /* A stream is gone (nghttp2 does not know it any more, or its owner closed). */
    void (*on_settled)(struct gw_h2_session *session);
    /* The peer's SETTINGS or GOAWAY came. */
    void (*on_news)(struct gw_h2_session *session);
    /* Our PING was answered. */
    void (*on_pong)(struct gw_h2_session *session);
    /* Judges what took too long. */
    void (*on_timer)(struct gw_h2_session *session);
    /* Frees the session; runs in a call of its own. */
    void (*finish)(struct gw_h2_session *session);
};

#ifndef GW_CDEF

/* Working memory of a thread, for all its sessions; empty between two calls. */
struct gw_h2_room {
    /* Out: what the next write takes, in order. */
    struct gw_slice parts[GW_H2_PARTS];
    unsigned part_count;
    size_t part_bytes;
    size_t frames_len;
    struct gw_list spent; /* chunks that parts point into */
    /* In: pieces of bodies in the read that is being parsed. */
    struct gw_h2_piece {
        struct gw_slice bytes;
        struct gw_h2_piece *next; /* of the same stream */
    } pieces[GW_H2_PIECES];
    unsigned piece_count;
    char frames[GW_H2_FRAMES_SIZE]; /* what nghttp2 made */
    char joined[GW_H2_JOINED_SIZE]; /* several pieces on their way into one */
};

struct gw_h2_session {
    const struct gw_h2_role *role;
    nghttp2_session *engine;
    struct gw_conn *conn; /* owned; NULL once closed */
    struct gw_loop *loop;
    struct gw_h2_limits limits;
    struct gw_h2_guard guard;
    struct gw_list streams; /* all that live */
    struct gw_list due;     /* those with something to tell */
    struct gw_list spare;
    struct gw_defer flush, tell, end;
    struct gw_timer timer;
    unsigned owned; /* streams with an owner */
    unsigned live;  /* streams nghttp2 knows */
    unsigned spares;
    size_t grown; /* what streams' windows have got beyond the first */
    uint64_t born_us;
    uint64_t head_us; /* a head has begun and is not whole since; 0: none */
    uint64_t idle_us; /* no stream since */
    bool is_server;
    bool settled;   /* the peer's first SETTINGS came */
    bool acked;     /* and our own were taken */
    bool receiving; /* inside nghttp2_session_mem_recv() */
    bool blocked;   /* the connection takes no more */
    bool flooded;   /* the guard says so */
    bool flushing;  /* inside nghttp2_session_mem_send() */
    bool leaving;   /* the last GOAWAY is out: ends with its streams */
    bool peer_leaves;
};

struct gw_h2_stream {
    struct gw_stream stream;
    struct gw_h2_session *session;
    struct gw_list_node node, due;
    int32_t id;
    unsigned number;
    bool live; /* nghttp2 knows it */
    bool open; /* it has an owner who has not closed it */
    bool held;
    bool tunnel;       /* open */
    bool asks_tunnel;  /* CONNECT, plain or extended */
    bool asks_upgrade; /* the extended one */
    bool busy;         /* its owner is being told something */
    bool resets;       /* RST_STREAM is ours */
    bool failing, told;
    bool malformed; /* nghttp2 says so, and nobody has heard of it */
    enum gw_error why;
    enum gw_method method; /* of the request */

    /* the head that is being read */
    struct gw_arena *arena; /* owned, until the head is told: a server's */
    struct gw_head *head;   /* NULL: nobody wants it */
    struct gw_fields *trailers;
    struct gw_slice target, authority, host;
    enum gw_error head_error;
    size_t head_bytes;
    unsigned fields;
    bool reads_trailers;

    /* incoming */
    struct gw_h2_piece *came, *came_last; /* borrowed from the read that is being parsed */
    size_t came_bytes;
    struct gw_list in; /* what waits behind that */
    size_t in_bytes;
    size_t window, taken; /* the peer's, and what its owner took since it last grew */
    bool hears_head;      /* the final one was told */
    bool in_ended;        /* END_STREAM came */
    bool in_done;         /* and the owner knows */

    /* outgoing */
    struct gw_list out;
    struct gw_slice lent;       /* behind that, during send_body() */
    size_t out_bytes, out_read; /* all of it; of the first chunk what is in frames */
    uint64_t framed;            /* bytes of body that went into frames */
    uint64_t looked_at;         /* `framed`, when the guard last looked */
    bool waited;                /* without an owner, then */
    int64_t remaining;          /* of the declared length; < 0: not declared */
    nghttp2_nv *out_trailers;
    unsigned out_trailer_count;
    bool out_started, out_ended, out_no_body;
    bool out_closed; /* END_STREAM is out */
    bool deferred;   /* nghttp2 waits to be told of bytes */
    bool wants_room;
    bool sent; /* its head went into a frame */
};

/* --- h2_begin.c --- */

/* Takes the connection over and binds it. */
void gw_h2_session_init(struct gw_h2_session *session, const struct gw_h2_role *role,
                        bool is_server, struct gw_conn *conn, const struct gw_h2_limits *limits);
void gw_h2_session_deinit(struct gw_h2_session *session);

/* --- h2_session.c --- */

extern const struct gw_conn_events gw_h2_conn_events; /* the owner is a session */

/* Frames wait: they go out at the end of the turn. */
void gw_h2_session_flush_later(struct gw_h2_session *session);

/* They go out now, where that can be; nobody is told anything before it returns. */
void gw_h2_session_flush_now(struct gw_h2_session *session);

/* GOAWAY; the connection ends with the streams it has. */
void gw_h2_session_leave(struct gw_h2_session *session, uint32_t code);

/* GOAWAY, and the end of everything now: owners are told `why`. */
void gw_h2_session_abort(struct gw_h2_session *session, uint32_t code, enum gw_error why);

/* Closes the connection; finish() follows when no stream has an owner. `linger_us` as in
 * gw_conn_close_gently(), 0: at once. */
void gw_h2_session_close(struct gw_h2_session *session, uint64_t linger_us, enum gw_error why);

/* Looks again at what may have ended it. */
void gw_h2_session_settle(struct gw_h2_session *session);

void gw_h2_session_start_timer(struct gw_h2_session *session, uint64_t delay_us);

/* --- h2_frames.c --- */

nghttp2_session_callbacks *gw_h2_callbacks_new(void);

/* --- h2_room.c --- */

/* What nghttp2 made; copied. */
void gw_h2_room_add_frame(struct gw_h2_session *session, struct gw_slice bytes);

/* Bytes of a body; true: they were copied, else they stay where they are until the write. */
bool gw_h2_room_add_body(struct gw_h2_session *session, struct gw_slice bytes);

/* What parts point into is freed after the write. */
void gw_h2_room_spend(struct gw_h2_session *session, struct gw_list_node *chunk);

/* Gives all of it to the connection; session->blocked says whether that takes more. */
void gw_h2_room_write(struct gw_h2_session *session);

struct gw_h2_room *gw_h2_room_of(struct gw_loop *loop);

/* --- h2_stream.c --- */

static inline struct gw_h2_stream *gw_h2_stream_from(const struct gw_stream *base)
{
    return container_of(base, struct gw_h2_stream, stream);
}

struct gw_h2_stream *gw_h2_stream_new(struct gw_h2_session *session);

/* Puts it away when neither its owner nor nghttp2 knows it. */
void gw_h2_stream_settle(struct gw_h2_stream *stream);

/* Something may be told at the end of the turn. */
void gw_h2_stream_wake(struct gw_h2_stream *stream);

/* Tells what is due on all streams, now. */
void gw_h2_session_tell(struct gw_h2_session *session);

/* on_end is due. */
void gw_h2_stream_fail(struct gw_h2_stream *stream, enum gw_error why);

/* nghttp2 does not know it any more. */
void gw_h2_stream_gone(struct gw_h2_stream *stream, uint32_t code);

/* The owner is gone; what waits is dropped, but for an answer that is whole. */
void gw_h2_stream_detach(struct gw_h2_stream *stream);
void gw_h2_stream_reset(struct gw_h2_stream *stream, uint32_t code);

/* --- h2_receive.c --- */

/* Borrowed from a read that ends with gw_h2_session_tell(). */
void gw_h2_stream_got_body(struct gw_h2_stream *stream, struct gw_slice bytes);
void gw_h2_stream_got_end(struct gw_h2_stream *stream);

/* Whether its owner may be told of what came. */
bool gw_h2_stream_takes(const struct gw_h2_stream *stream);

/* As much as its owner takes. */
void gw_h2_stream_tell_in(struct gw_h2_stream *stream);
void gw_h2_stream_drop_in(struct gw_h2_stream *stream);
void gw_h2_stream_hold(struct gw_stream *stream, bool on);

/* --- h2_send.c --- */

/* From now on bytes flow both ways. */
void gw_h2_stream_open_tunnel(struct gw_h2_stream *stream);

/* It was asked for and is not opened: the request ends. */
void gw_h2_stream_decline_tunnel(struct gw_h2_stream *stream);

/* The head was given: what may follow. */
void gw_h2_stream_begin_out(struct gw_h2_stream *stream, const struct gw_head *head, bool end);

/* Where nghttp2 learns of body bytes; gw_h2_stream_frame_out() takes them. */
ssize_t gw_h2_stream_read(nghttp2_session *engine, int32_t id, uint8_t *buffer, size_t len,
                          uint32_t *flags, nghttp2_data_source *source, void *ctx);

void gw_h2_stream_frame_out(struct gw_h2_stream *stream, size_t len);

void gw_h2_stream_tell_room(struct gw_h2_stream *stream);
void gw_h2_stream_drop_out(struct gw_h2_stream *stream);
bool gw_h2_stream_send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                            bool end);
void gw_h2_stream_send_trailers(struct gw_stream *stream, const struct gw_fields *trailers);

/* --- h2_head.c --- */

/* A head begins; it lives in the arena. */
void gw_h2_head_begin(struct gw_h2_stream *stream, struct gw_arena *arena);
void gw_h2_trailers_begin(struct gw_h2_stream *stream);

/* One field of it. False: this is far over every limit. */
bool gw_h2_head_field(struct gw_h2_stream *stream, struct gw_slice name, struct gw_slice value);

/* It is whole; what is wrong with it is returned. */
enum gw_error gw_h2_head_finish_request(struct gw_h2_stream *stream, bool end);
void gw_h2_head_finish_response(struct gw_h2_stream *stream, bool end);

/* --- h2_write.c --- */

/* Names and values are borrowed from the head and the arena. NULL: it cannot be written. */
nghttp2_nv *gw_h2_head_write_request(const struct gw_head *head, bool end, struct gw_arena *arena,
                                     struct gw_slice scheme, size_t *count);
nghttp2_nv *gw_h2_head_write_response(const struct gw_head *head, bool end,
                                      const struct gw_h2_stream *stream, struct gw_arena *arena,
                                      size_t *count);

/* On the heap: they may go out after the arena has gone. NULL: one cannot be written. */
nghttp2_nv *gw_h2_head_write_trailers(const struct gw_fields *trailers, unsigned *count);

#endif
