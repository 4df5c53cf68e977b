#include "net/memory_pair.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/conn_private.h"

#include <errno.h>

/* What the "kernel" between the two takes before a writer has to queue. */
#define INBOX_MAX (256 * 1024)

struct gw_memory_end {
    struct gw_conn conn;
    struct gw_memory_end *peer; /* NULL once it is closed */
    struct gw_list inbox;       /* struct gw_chunk, written by the peer and not read yet */
    size_t inbox_bytes;
    size_t inbox_read;      /* of the first chunk */
    enum gw_error peer_end; /* what comes behind the inbox; GW_OK: nothing yet */
    bool flushing;          /* the queue waits for room in the peer's inbox */
    struct gw_addr local;
    struct gw_defer work; /* deliver, later free */
};

static void work(struct gw_defer *defer);

static struct gw_memory_end *end_of(const struct gw_conn *conn)
{
    return container_of(conn, struct gw_memory_end, conn);
}

static void schedule(struct gw_memory_end *end)
{
    if (!end->conn.closing)
        gw_loop_defer(end->conn.loop, &end->work, work);
}

/* A write is to fail as it does when the peer went away: reading comes to its end, too. */
static int break_off(struct gw_memory_end *end, int error)
{
    if (error == EPIPE || error == ECONNRESET) {
        end->peer_end = GW_E_RESET;
        schedule(end);
    }
    return -error;
}

/* ── writing: into the peer's inbox ── */

static ssize_t write_byte(struct gw_memory_end *peer, const struct gw_slice *slices)
{
    while (slices->len == 0)
        slices++;
    gw_chunk_fill(gw_chunk_new(&peer->inbox, 1), gw_slice(slices->ptr, 1));
    peer->inbox_bytes++;
    schedule(peer);
    return 1;
}

static ssize_t try_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count)
{
    struct gw_memory_end *peer = end_of(conn)->peer;
    size_t total = 0;

    if (!peer)
        return -EPIPE;
    if (GW_FAULT(CONN_WRITE))
        return break_off(end_of(conn), errno);
    if (peer->inbox_bytes >= INBOX_MAX)
        return 0;
    for (unsigned i = 0; i < count; i++)
        total += slices[i].len;
    if (total == 0)
        return 0;
    if (GW_FAULT(CONN_WRITE_FULL)) {
        schedule(peer); /* whose next turn takes what is queued then */
        return 0;
    }
    if (GW_FAULT(CONN_WRITE_SHORT))
        return write_byte(peer, slices);
    struct gw_chunk *chunk = gw_chunk_new(&peer->inbox, total); /* one write, one read */

    for (unsigned i = 0; i < count; i++)
        gw_chunk_fill(chunk, slices[i]);
    peer->inbox_bytes += total;
    schedule(peer);
    return (ssize_t)total;
}

/* Moves what waits into the peer's inbox while there is room. */
static void flush(struct gw_memory_end *end)
{
    struct gw_memory_end *peer = end->peer;

    if (!end->flushing)
        return;
    while (peer && peer->inbox_bytes < INBOX_MAX && !gw_list_empty(&end->conn.queue)) {
        size_t before = end->conn.queue_bytes;

        gw_conn_take_chunks(&end->conn, &peer->inbox, INBOX_MAX, 1);
        peer->inbox_bytes += before - end->conn.queue_bytes;
        schedule(peer);
    }
    if (peer && !gw_list_empty(&end->conn.queue))
        return;
    end->flushing = false;
    if (peer && GW_FAULT(CONN_WRITE_LATER))
        gw_conn_wrote(&end->conn, break_off(end, errno));
    else
        gw_conn_wrote(&end->conn, peer ? 0 : -EPIPE);
}

static void start_write(struct gw_conn *conn)
{
    end_of(conn)->flushing = true; /* the inbox is full: the peer's reading goes on with it */
}

static size_t pending(const struct gw_conn *conn)
{
    (void)conn;
    return 0;
}

static void send_end(struct gw_conn *conn)
{
    struct gw_memory_end *peer = end_of(conn)->peer;

    if (!peer || peer->peer_end)
        return;
    peer->peer_end = GW_E_CLOSED;
    schedule(peer);
}

/* ── reading: from the own inbox ── */

static struct gw_slice next_bytes(const struct gw_memory_end *end)
{
    struct gw_list_node *node = gw_list_first(&end->inbox);
    size_t limit = end->conn.read_limit;

    if (!node)
        return GW_SLICE_EMPTY;
    struct gw_chunk *chunk = container_of(node, struct gw_chunk, node);
    struct gw_slice bytes = { chunk->ptr + end->inbox_read, chunk->len - end->inbox_read };

    if (limit && bytes.len > limit)
        bytes.len = limit;
    if (GW_FAULT(CONN_READ_SHORT))
        bytes.len = 1;
    return bytes;
}

/* Gives the next bytes to the owner. They stay alive during the call, also when it closes us:
 * freeing is deferred. */
static void read_some(struct gw_memory_end *end, struct gw_slice bytes)
{
    struct gw_chunk *chunk = container_of(gw_list_first(&end->inbox), struct gw_chunk, node);
    struct gw_list done;

    gw_list_init(&done);
    end->inbox_bytes -= bytes.len;
    end->inbox_read += bytes.len;
    if (end->inbox_read == chunk->len) {
        end->inbox_read = 0;
        gw_list_remove(&chunk->node);
        gw_list_append(&done, &chunk->node);
    }
    gw_conn_got_bytes(&end->conn, bytes);
    gw_chunks_free(&done);
}

static void deliver(struct gw_memory_end *end)
{
    struct gw_conn *conn = &end->conn;

    while (conn->reading) {
        struct gw_slice bytes = next_bytes(end);

        if (bytes.len == 0)
            break;
        read_some(end, bytes);
    }
    if (conn->reading && end->peer_end)
        gw_conn_got_end(conn, end->peer_end);
}

static void work(struct gw_defer *defer)
{
    struct gw_memory_end *end = container_of(defer, struct gw_memory_end, work);

    deliver(end);
    if (end->peer && end->peer->flushing && end->inbox_bytes < INBOX_MAX / 2)
        flush(end->peer);
    if (!end->peer && end->flushing)
        flush(end);
}

static void set_reading(struct gw_conn *conn, bool on)
{
    struct gw_memory_end *end = end_of(conn);

    if (on && (end->inbox_bytes || end->peer_end))
        schedule(end);
}

static size_t in_flight(const struct gw_conn *conn)
{
    const struct gw_memory_end *peer = end_of(conn)->peer;

    return peer ? peer->inbox_bytes : 0;
}

static unsigned look(const struct gw_conn *conn)
{
    const struct gw_memory_end *end = end_of(conn);

    return (end->inbox_bytes ? GW_CONN_SEES_BYTES : 0) | (end->peer_end ? GW_CONN_SEES_END : 0);
}

/* ── life ── */

static void fill_local(struct gw_conn *conn, struct gw_addr *addr)
{
    *addr = end_of(conn)->local;
}

static void free_end(struct gw_defer *defer)
{
    struct gw_memory_end *end = container_of(defer, struct gw_memory_end, work);

    gw_chunks_free(&end->inbox);
    gw_conn_deinit(&end->conn);
    gw_free(end);
}

/* Like the kernel: the peer reads what was on its way, then an end, or a reset when we left bytes
 * of its unread. */
static void close_end(struct gw_conn *conn)
{
    struct gw_memory_end *end = end_of(conn);
    struct gw_memory_end *peer = end->peer;

    if (peer) {
        peer->peer = NULL;
        if (end->inbox_bytes || conn->resets)
            peer->peer_end = GW_E_RESET;
        else if (!peer->peer_end)
            peer->peer_end = GW_E_CLOSED;
        end->peer = NULL;
        schedule(peer);
    }
    gw_defer_cancel(&end->work);
    gw_loop_defer(conn->loop, &end->work, free_end);
}

static const struct gw_conn_carrier carrier = {
    .try_write = try_write,
    .start_write = start_write,
    .pending = pending,
    .set_reading = set_reading,
    .look = look,
    .in_flight = in_flight,
    .shutdown = send_end,
    .fill_local = fill_local,
    .close = close_end,
};

static struct gw_memory_end *new_end(struct gw_loop *loop, const struct gw_addr *peer,
                                     const struct gw_addr *local)
{
    struct gw_memory_end *end = gw_alloc_zero(sizeof(*end));

    gw_conn_init(&end->conn, &carrier, loop);
    gw_list_init(&end->inbox);
    end->conn.peer = *peer;
    end->local = *local;
    return end;
}

void gw_memory_pair_new(struct gw_loop *loop, const struct gw_addr *near_peer,
                        const struct gw_addr *near_local, struct gw_conn **near,
                        struct gw_conn **far)
{
    struct gw_addr peer;
    struct gw_addr local;

    gw_addr_parse(&peer, GW_SLICE("127.0.0.1:1"));
    gw_addr_parse(&local, GW_SLICE("127.0.0.1:2"));
    if (near_peer)
        peer = *near_peer;
    if (near_local)
        local = *near_local;
    struct gw_memory_end *one = new_end(loop, &peer, &local);
    struct gw_memory_end *other = new_end(loop, &local, &peer);

    one->peer = other;
    other->peer = one;
    *near = &one->conn;
    *far = &other->conn;
}
