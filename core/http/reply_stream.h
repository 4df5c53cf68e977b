#pragma once
/* A response made here, put in the place of the upstream's stream, so that response hooks, relay,
 * metrics and log see every answer alike. */
#include "http/stream.h"
#include "net/loop.h"

/* What a plugin or the proxy wants to answer. Lives in the exchange's arena. */
struct gw_reply {
    int status;
    struct gw_fields fields;  /* content-type included; content-length is the codec's */
    struct gw_blob *body;     /* one reference owned by the reply; NULL: none */
    enum gw_error error;      /* why, for log and metrics; GW_OK for a plugin's own answer */
    struct gw_slice protocol; /* of a 426: what to upgrade to; else empty */
    struct gw_slice message;  /* the same in a line for people, where there is one: gRPC says it */
    /* A body that is made while it is sent, in the place of `body`: opens the stream that makes it,
     * which behaves as a reply stream does. Nothing need be given back where it is not called. */
    struct gw_stream *(*open)(struct gw_reply *reply);
};

/* Takes the reference to the body over. Delivers on_head in a deferred call after it was bound,
 * then the body unless held. */
struct gw_stream *gw_reply_stream_open(struct gw_loop *loop, struct gw_arena *arena,
                                       struct gw_reply *reply);

/* What the stream of a reply does with the request: nothing, because nobody reads it. */
void gw_reply_drop_head(struct gw_stream *stream, const struct gw_head *head, bool end);
bool gw_reply_drop_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                        bool end);
void gw_reply_drop_trailers(struct gw_stream *stream, const struct gw_fields *trailers);
