#pragma once
/* A connection: bytes both ways with backpressure, over TCP, a unix socket or memory. TLS is an
 * engine inside: after gw_conn_start_tls() and its handshake the owner reads and writes plain bytes
 * as ever, while counts, queue and limits are those of the bytes on the wire.
 *
 * Reading stays armed all the time; bytes are lent from the loop's one read buffer during on_read
 * only. Writing tries the system call at once (uv_try_write) and queues a copy of what is left.
 * Every failure, also of a write, arrives as on_end. No function here calls back before it
 * returned. */
#include "base/blob.h"
#include "base/error.h"
#include "base/slice.h"
#include "net/loop.h"
#include "net/tls.h"

struct gw_addr;
struct gw_conn;

struct gw_conn_events {
    /* `bytes` are borrowed for the call. The owner may hold, write, shut down or close in it. */
    void (*on_read)(void *owner, struct gw_slice bytes);
    /* The write queue fell below half of its limit after gw_conn_write() had returned false. */
    void (*on_room)(void *owner);
    /* GW_E_CLOSED: the peer ended its side (writing may go on); anything else: the connection is
     * broken. The owner closes. */
    void (*on_end)(void *owner, enum gw_error why);
    /* While it is held: the peer ended its side or is gone, though bytes may stand before that
     * which nobody has read. Looked for once a second, told once a hold. NULL: nobody asks. */
    void (*on_hangup)(void *owner);
    /* The handshake of gw_conn_start_tls() ended; told once. After a failure the connection carries
     * plain bytes again, behind an alert for the peer; of plain HTTP no byte was kept. */
    void (*on_secure)(void *owner, enum gw_tls_failure failure, const char *detail);
};

/* Binds the owner; reading starts at the end of the current turn at the latest. */
void gw_conn_bind(struct gw_conn *conn, const struct gw_conn_events *events, void *owner);

/* For on_read of an owner who bound another one: the next owner gets what it did not take, in its
 * own on_read, now. */
void gw_conn_pass_on(struct gw_conn *conn, struct gw_slice bytes);

/* Nothing has come or gone for a while: gives memory back that only busy connections need. */
void gw_conn_rest(struct gw_conn *conn);

/* Speaks TLS from now on; the engine is owned. `came`: bytes of the peer that were read already, at
 * most one read. The next event is on_secure or on_end; until then nothing may be written. A
 * client's handshake begins at once. */
void gw_conn_start_tls(struct gw_conn *conn, struct gw_tls *tls, struct gw_slice came);

/* Its engine, borrowed; NULL: none. */
const struct gw_tls *gw_conn_tls(const struct gw_conn *conn);

/* Over TLS: the peer's end came without its close_notify, so that nobody knows whether somebody on
 * the way cut it: an error where the end of the bytes means something (RFC 9112 9.8). */
bool gw_conn_cut(const struct gw_conn *conn);

/* Over TLS: it is broken because the peer did not accept what it saw. A server of TLS 1.3 judges
 * our certificate when our handshake is done already. */
bool gw_conn_refused(const struct gw_conn *conn);

/* Writes the slices in one system call where possible, queues the rest. False: the queue is over
 * its limit, send no more until on_room (what was given is kept all the same). */
bool gw_conn_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count);

/* The same for one slice of a blob, which is referenced instead of copied. */
bool gw_conn_write_blob(struct gw_conn *conn, struct gw_blob *blob, struct gw_slice part);

/* What waits to be read, without reading it. Costs a system call. */
enum gw_conn_sight {
    GW_CONN_SEES_BYTES = 1,
    GW_CONN_SEES_END = 2, /* the peer ended its side, or is gone; bytes may stand before that */
};
unsigned gw_conn_look(const struct gw_conn *conn);

/* Stops or goes on reading. Costs two system calls a pair: for backpressure only. */
void gw_conn_hold(struct gw_conn *conn, bool on);

/* After what is queued, ends our side (FIN). */
void gw_conn_shutdown(struct gw_conn *conn);

/* Ends at once, no event comes any more; what is queued is dropped. Frees itself in the close
 * callback. */
void gw_conn_close(struct gw_conn *conn);

/* The same, but the peer sees a reset instead of an end: for bytes whose end is that of the
 * connection, when they are cut. Over a unix socket it is a plain end. */
void gw_conn_reset(struct gw_conn *conn);

/* Ends after what is queued was sent, or after `linger_us` at the latest; meanwhile what the peer
 * sends is discarded up to 64 KiB, so that it can read our last answer (RFC 9112 9.6). No event
 * comes any more. */
void gw_conn_close_gently(struct gw_conn *conn, uint64_t linger_us);

size_t gw_conn_queued(const struct gw_conn *conn); /* bytes not yet given to the kernel */
void gw_conn_set_write_limit(struct gw_conn *conn, size_t bytes); /* default 1 MiB */

/* How much one read may bring at most, so that the peer's queue is not overrun: min of the buffer
 * and this. 0: no limit. Over TLS the rest of a record comes on top, at most 16 KiB. */
void gw_conn_set_read_limit(struct gw_conn *conn, size_t bytes);

const struct gw_addr *gw_conn_peer(const struct gw_conn *conn);
const struct gw_addr *gw_conn_local(const struct gw_conn *conn);

/* What gw_conn_peer() and gw_conn_local() say from now on: of a connection that somebody passes on
 * for another. */
void gw_conn_set_addresses(struct gw_conn *conn, const struct gw_addr *peer,
                           const struct gw_addr *local);
uint16_t gw_conn_local_port(const struct gw_conn *conn); /* keeps less than the whole address */
struct gw_loop *gw_conn_loop(const struct gw_conn *conn);
uint64_t gw_conn_bytes_in(const struct gw_conn *conn);
uint64_t gw_conn_bytes_out(const struct gw_conn *conn);

/* Of those the ones that reached the peer, as far as the kernel knows. Costs a system call. */
uint64_t gw_conn_bytes_taken(const struct gw_conn *conn);
uint64_t gw_conn_id(const struct gw_conn *conn); /* unique in the process, for logs */

/* How many are open on this thread, all kinds: specs and shutdown check that none is left. */
unsigned gw_conn_count(void);
