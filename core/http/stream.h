#pragma once
/* One message each way: what an h1 or h2 stream, a local reply, a call to a service and a memory
 * pair all offer upwards.
 *
 * Words.  *Owner*: who bound the events; there is one. *Downstream*: the client's side,
 * *upstream*: the service's.
 *
 * The contract (one spec runs it over every implementation: spec/unit/http/contract_spec.lua)
 * - Heads below 200 may come and be sent any number of times before the final one; 101 is final.
 * - A message ends once: `end` on head or body, or trailers. A 101 (or a 2xx to CONNECT) is sent
 *   without end and opens a tunnel on top of the request that has ended: from then on body bytes
 *   flow both ways, and `end` is half-close, once each way.
 * - No operation calls back before it has returned.
 * - Every failure, also of a send, arrives as on_end, the last event. The owner must then close().
 *   A clean end of both messages brings no on_end; the owner closes with GW_OK when it is done.
 *   For a server stream on_end may come at any time before close (the client went away).
 * - After hold(true) returns, no body, trailers or clean end arrive, also not for bytes already
 *   read. on_end with an error may.
 * - close() ends everything at once and exactly once; no event comes after it and the stream may
 *   be freed by it. With GW_OK and both messages complete the connection is kept for the next;
 *   otherwise it is not.
 * - send_* after an error are ignored. send_body() with no bytes and no end does nothing. A body
 *   that does not match its declared length, or a head that cannot be written, is the owner's
 *   fault: on_end(GW_E_INTERNAL).
 * - A server stream closed with an error before a final head was sent answers with that error's
 *   bare status, where it has one.
 *
 * If you want to add a protocol, start here: fill a gw_stream_ops, call the events, and add a row
 * to the contract spec. */
#include "base/blob.h"
#include "base/error.h"
#include "http/head.h"

struct gw_conn;
struct gw_stream;

struct gw_stream_ops {
    /* The head and what it points to are borrowed for the call. */
    void (*send_head)(struct gw_stream *stream, const struct gw_head *head, bool end);
    /* Takes all bytes; false: send no more until on_room. With an owner the stream may ref it
     * instead of copying. */
    bool (*send_body)(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                      bool end);
    void (*send_trailers)(struct gw_stream *stream, const struct gw_fields *trailers);
    void (*hold)(struct gw_stream *stream, bool on);
    void (*close)(struct gw_stream *stream, enum gw_error why);

    /* Facts, of streams on a connection; NULL where there is none. */

    /* Of a server stream: its connection, for addresses and byte counts; NULL once closed. */
    struct gw_conn *(*conn)(const struct gw_stream *stream);
    /* Of a server stream: which request of its connection it is, the first being 1. */
    unsigned (*number)(const struct gw_stream *stream);
    /* Of a server stream: a count of bytes that grows when the client takes some of the answer
     * (filling the kernel's buffers is no progress). */
    uint64_t (*taken)(const struct gw_stream *stream);
    /* Of a client stream: false as long as the server cannot have worked on the request: no byte of
     * it reached the kernel, or the server said that it did nothing. */
    bool (*sent)(const struct gw_stream *stream);
};

struct gw_stream_events {
    /* The head lives in stream->arena. */
    void (*on_head)(void *owner, struct gw_head *head, bool end);
    /* Borrowed for the call. */
    void (*on_body)(void *owner, struct gw_slice bytes, bool end);
    /* Live in stream->arena; end the message. */
    void (*on_trailers)(void *owner, struct gw_fields *trailers);
    void (*on_room)(void *owner);
    void (*on_end)(void *owner, enum gw_error why);
    /* Of a server stream before its final head: what the client sends cannot be read on (a
     * malformed body). Nothing more of it comes, but the answer may still be given; the connection
     * ends with it. NULL: that is an on_end. */
    void (*on_bad)(void *owner, enum gw_error why);
};

struct gw_stream {
    const struct gw_stream_ops *ops;
    /* NULL until bound: nothing is delivered, hold is implied */
    const struct gw_stream_events *events;
    void *owner;
    struct gw_arena *arena; /* heads and trailers it delivers live here; borrowed (the owner's) */
};

static inline void gw_stream_bind(struct gw_stream *stream, const struct gw_stream_events *events,
                                  void *owner)
{
    stream->events = events;
    stream->owner = owner;
}

static inline void gw_stream_send_head(struct gw_stream *stream, const struct gw_head *head,
                                       bool end)
{
    stream->ops->send_head(stream, head, end);
}

static inline bool gw_stream_send_body(struct gw_stream *stream, struct gw_slice bytes,
                                       struct gw_blob *owner, bool end)
{
    return stream->ops->send_body(stream, bytes, owner, end);
}

static inline void gw_stream_send_trailers(struct gw_stream *stream,
                                           const struct gw_fields *trailers)
{
    stream->ops->send_trailers(stream, trailers);
}

static inline void gw_stream_hold(struct gw_stream *stream, bool on)
{
    stream->ops->hold(stream, on);
}

static inline void gw_stream_close(struct gw_stream *stream, enum gw_error why)
{
    stream->ops->close(stream, why);
}

static inline struct gw_conn *gw_stream_conn(const struct gw_stream *stream)
{
    return stream->ops->conn ? stream->ops->conn(stream) : NULL;
}

static inline unsigned gw_stream_number(const struct gw_stream *stream)
{
    return stream->ops->number ? stream->ops->number(stream) : 0;
}

static inline uint64_t gw_stream_taken(const struct gw_stream *stream)
{
    return stream->ops->taken ? stream->ops->taken(stream) : 0;
}

static inline bool gw_stream_sent(const struct gw_stream *stream)
{
    return stream->ops->sent && stream->ops->sent(stream);
}
