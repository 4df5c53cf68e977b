#pragma once
/* The outgoing half of a message: keeps its head until the first bytes of body (so that both leave
 * in one system call), marks the body off, counts it. Nothing here calls back. */
#include "base/blob.h"
#include "http/h1_write.h"
#include "net/conn.h"

struct gw_h1_out {
    struct gw_conn *conn;    /* borrowed; NULL once it is gone: everything is dropped then */
    struct gw_slice pending; /* a head not yet written; in the stream's arena */
    enum gw_h1_body body;
    int64_t remaining; /* GW_H1_BODY_LENGTH */
    bool started;      /* the final head was given */
    bool ended;        /* the message is whole */
};

/* For the next message. */
void gw_h1_out_begin(struct gw_h1_out *out, struct gw_conn *conn);

/* A head with nothing behind it that counts (1xx): written at once. */
void gw_h1_out_interim(struct gw_h1_out *out, struct gw_slice text);

/* The final head. Without `end` it waits for the body or for gw_h1_out_flush(), which the caller
 * sees to at the end of the turn. */
void gw_h1_out_head(struct gw_h1_out *out, const struct gw_h1_written *written, bool end);

/* Opens the tunnel on top of a request that has ended (client role). */
void gw_h1_out_tunnel(struct gw_h1_out *out);

/* *room is false when the caller should wait. GW_E_INTERNAL: no head yet, or not the declared
 * length. */
enum gw_error gw_h1_out_body(struct gw_h1_out *out, struct gw_slice bytes, struct gw_blob *owner,
                             bool end, bool *room);

enum gw_error gw_h1_out_trailers(struct gw_h1_out *out, const struct gw_fields *trailers,
                                 struct gw_arena *arena);

/* Writes a head that waits. */
void gw_h1_out_flush(struct gw_h1_out *out);
