#include "net/conn.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/conn_private.h"

#include <errno.h>
#include <stdatomic.h>

#define DEFAULT_WRITE_LIMIT (1024 * 1024)

static _Thread_local unsigned open_count;
static atomic_uint_fast64_t last_id;

void gw_conn_init(struct gw_conn *conn, const struct gw_conn_carrier *carrier, struct gw_loop *loop)
{
    conn->carrier = carrier;
    conn->loop = loop;
    conn->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    conn->write_limit = DEFAULT_WRITE_LIMIT;
    gw_list_init(&conn->queue);
    open_count++;
}

void gw_conn_deinit(struct gw_conn *conn)
{
    GW_ASSERT(conn->closing && gw_list_empty(&conn->queue));
    gw_conn_tls_free(conn);
    gw_free(conn->local);
    conn->local = NULL;
    open_count--;
}

/* Reading is on whenever somebody is there to take what comes. */
static void set_reading(struct gw_conn *conn)
{
    bool wanted = conn->events && !conn->held && conn->receiving == GW_CONN_RECEIVES;

    gw_conn_watch_hangup(conn);
    if (conn->tls && wanted)
        gw_conn_tls_go_on(conn);
    if (wanted == conn->reading)
        return;
    conn->reading = wanted;
    conn->carrier->set_reading(conn, wanted);
}

/* ── the end ── */

static void tell_end(struct gw_conn *conn, enum gw_error why)
{
    conn->receiving = why == GW_E_CLOSED ? GW_CONN_ENDED : GW_CONN_BROKEN;
    if (why != GW_E_CLOSED)
        conn->sending = GW_CONN_FAILED;
    set_reading(conn);
    conn->events->on_end(conn->owner, why);
}

static void tell_end_later(struct gw_defer *defer)
{
    struct gw_conn *conn = container_of(defer, struct gw_conn, end);
    enum gw_error why = conn->end_error;

    if (!conn->events)
        return; /* whoever binds hears of it */
    conn->end_error = GW_OK;
    tell_end(conn, why);
}

static void schedule_end(struct gw_conn *conn, enum gw_error why)
{
    if (conn->receiving == GW_CONN_BROKEN)
        return;
    conn->end_error = why;
    gw_loop_defer(conn->loop, &conn->end, tell_end_later);
}

void gw_conn_got_end(struct gw_conn *conn, enum gw_error why)
{
    if (conn->tls)
        gw_conn_tls_got_end(conn);
    if (conn->receiving == GW_CONN_RECEIVES || why != GW_E_CLOSED)
        gw_conn_tell_end(conn, why);
}

void gw_conn_tell_end(struct gw_conn *conn, enum gw_error why)
{
    if (conn->closing || conn->receiving == GW_CONN_BROKEN)
        return;
    if (conn->sending == GW_CONN_FAILED)
        why = GW_E_RESET; /* the reason why a write failed before */
    conn->end_error = GW_OK;
    gw_defer_cancel(&conn->end);
    tell_end(conn, why);
}

void gw_conn_got_bytes(struct gw_conn *conn, struct gw_slice bytes)
{
    if (GW_FAULT(CONN_READ)) {
        gw_conn_got_end(conn, GW_E_RESET);
        return;
    }
    conn->bytes_in += bytes.len;
    if (conn->tls)
        gw_conn_tls_got_bytes(conn, bytes);
    else
        gw_conn_tell_bytes(conn, bytes);
}

void gw_conn_tell_bytes(struct gw_conn *conn, struct gw_slice bytes)
{
    conn->events->on_read(conn->owner, bytes);
}

/* Whether the peer's last bytes and then its end will still come by way of reading. */
static bool reading_tells(const struct gw_conn *conn, int error)
{
    return conn->reading && (error == -EPIPE || error == -ECONNRESET);
}

static void fail_sending(struct gw_conn *conn, int error)
{
    conn->bytes_given -= gw_conn_queued(conn);
    gw_chunks_free(&conn->queue);
    conn->queue_bytes = 0;
    conn->sending = GW_CONN_FAILED;
    conn->wants_room = false;
    /* A server that answers early and closes makes our writes fail while its answer lies in the
     * receive buffer: read first. */
    if (!reading_tells(conn, error))
        schedule_end(conn, GW_E_RESET);
}

/* ── writing ── */

static void write_queue(struct gw_conn *conn)
{
    if (conn->write_active || gw_list_empty(&conn->queue))
        return;
    conn->write_active = true;
    conn->carrier->start_write(conn);
}

static bool has_room(struct gw_conn *conn)
{
    if (conn->queue_bytes == 0 && !conn->write_active)
        return true;
    if (gw_conn_queued(conn) <= conn->write_limit)
        return true;
    conn->wants_room = true;
    return false;
}

static bool refuse_write(struct gw_conn *conn)
{
    /* Held, nobody reads the end that was to tell about the failure. */
    if (conn->sending == GW_CONN_FAILED && conn->held && !conn->closing)
        schedule_end(conn, GW_E_RESET);
    return true;
}

bool gw_conn_send(struct gw_conn *conn, const struct gw_slice *slices, unsigned count,
                  struct gw_blob *blob)
{
    size_t taken = 0;

    if (conn->sending != GW_CONN_SENDS || conn->closing)
        return refuse_write(conn);
    if (!conn->write_active) {
        ssize_t sent = conn->carrier->try_write(conn, slices, count);

        if (sent < 0) {
            fail_sending(conn, (int)sent);
            return true;
        }
        taken = (size_t)sent;
        conn->bytes_given += taken;
    }
    for (unsigned i = 0; i < count; i++) {
        struct gw_slice rest = gw_slice_skip(slices[i], taken);

        taken -= slices[i].len - rest.len;
        if (rest.len == 0)
            continue;
        gw_chunks_append(&conn->queue, rest, blob);
        conn->queue_bytes += rest.len;
        conn->bytes_given += rest.len;
    }
    write_queue(conn);
    return has_room(conn);
}

bool gw_conn_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count)
{
    return conn->tls ? gw_conn_tls_write(conn, slices, count)
                     : gw_conn_send(conn, slices, count, NULL);
}

bool gw_conn_write_blob(struct gw_conn *conn, struct gw_blob *blob, struct gw_slice part)
{
    return conn->tls ? gw_conn_tls_write(conn, &part, 1) : gw_conn_send(conn, &part, 1, blob);
}

static void send_our_end(struct gw_conn *conn)
{
    conn->sending = GW_CONN_SHUT;
    conn->carrier->shutdown(conn);
}

void gw_conn_wrote(struct gw_conn *conn, int error)
{
    conn->write_active = false;
    if (conn->closing || conn->sending == GW_CONN_FAILED)
        return;
    if (error) {
        fail_sending(conn, error);
        return;
    }
    write_queue(conn);
    if (conn->sending == GW_CONN_SHUTTING && !conn->write_active) {
        send_our_end(conn);
        if (conn->linger && conn->receiving == GW_CONN_ENDED) {
            gw_conn_close(conn);
            return;
        }
    }
    if (conn->wants_room && conn->events && gw_conn_queued(conn) <= conn->write_limit / 2) {
        conn->wants_room = false;
        conn->events->on_room(conn->owner);
    }
}

void gw_conn_shutdown(struct gw_conn *conn)
{
    if (conn->sending != GW_CONN_SENDS)
        return;
    if (conn->tls)
        gw_conn_tls_say_end(conn);
    if (conn->sending == GW_CONN_FAILED)
        return;
    if (conn->write_active)
        conn->sending = GW_CONN_SHUTTING;
    else
        send_our_end(conn);
}

/* ── the owner's other calls ── */

void gw_conn_bind(struct gw_conn *conn, const struct gw_conn_events *events, void *owner)
{
    GW_ASSERT(events && !conn->closing);
    conn->events = events;
    conn->owner = owner;
    if (conn->end_error)
        gw_loop_defer(conn->loop, &conn->end, tell_end_later);
    set_reading(conn);
}

void gw_conn_pass_on(struct gw_conn *conn, struct gw_slice bytes)
{
    if (bytes.len)
        conn->events->on_read(conn->owner, bytes);
}

void gw_conn_hold(struct gw_conn *conn, bool on)
{
    conn->held = on;
    set_reading(conn);
}

void gw_conn_close(struct gw_conn *conn)
{
    GW_ASSERT(!conn->closing);
    if (conn->tls && !conn->resets && !conn->write_active && conn->sending == GW_CONN_SENDS)
        gw_conn_tls_say_end(conn);
    conn->closing = true;
    conn->events = NULL;
    conn->owner = NULL;
    gw_defer_cancel(&conn->end);
    conn->bytes_given -= gw_conn_queued(conn);
    gw_chunks_free(&conn->queue);
    conn->queue_bytes = 0;
    gw_conn_end_linger(conn);
    set_reading(conn);
    conn->carrier->close(conn);
}

void gw_conn_reset(struct gw_conn *conn)
{
    conn->resets = true;
    gw_conn_close(conn);
}

/* ── what one may ask ── */

unsigned gw_conn_look(const struct gw_conn *conn)
{
    return conn->carrier->look(conn) | (gw_conn_tls_keeps(conn) ? GW_CONN_SEES_BYTES : 0);
}

size_t gw_conn_queued(const struct gw_conn *conn)
{
    return conn->queue_bytes + conn->carrier->pending(conn);
}

void gw_conn_set_write_limit(struct gw_conn *conn, size_t bytes)
{
    conn->write_limit = bytes;
}

void gw_conn_set_read_limit(struct gw_conn *conn, size_t bytes)
{
    conn->read_limit = bytes;
}

const struct gw_addr *gw_conn_peer(const struct gw_conn *conn)
{
    return &conn->peer;
}

const struct gw_addr *gw_conn_local(const struct gw_conn *conn)
{
    if (!conn->local) {
        struct gw_conn *asked = (struct gw_conn *)conn; /* it only remembers the answer */

        asked->local = gw_alloc_zero(sizeof(*conn->local));
        conn->carrier->fill_local(asked, asked->local);
    }
    return conn->local;
}

void gw_conn_set_addresses(struct gw_conn *conn, const struct gw_addr *peer,
                           const struct gw_addr *local)
{
    conn->peer = *peer;
    if (!conn->local)
        conn->local = gw_alloc_zero(sizeof(*conn->local));
    *conn->local = *local;
}

uint16_t gw_conn_local_port(const struct gw_conn *conn)
{
    struct gw_conn *asked = (struct gw_conn *)conn; /* it only remembers the answer */
    struct gw_addr local;

    if (conn->local)
        return gw_addr_port(conn->local);
    if (!conn->local_port_known) {
        conn->carrier->fill_local(asked, &local);
        asked->local_port = gw_addr_port(&local);
        asked->local_port_known = true;
    }
    return conn->local_port;
}

struct gw_loop *gw_conn_loop(const struct gw_conn *conn)
{
    return conn->loop;
}

uint64_t gw_conn_bytes_in(const struct gw_conn *conn)
{
    return conn->bytes_in;
}

uint64_t gw_conn_bytes_out(const struct gw_conn *conn)
{
    return conn->bytes_given - gw_conn_queued(conn);
}

uint64_t gw_conn_bytes_taken(const struct gw_conn *conn)
{
    return gw_conn_bytes_out(conn) - conn->carrier->in_flight(conn);
}

uint64_t gw_conn_id(const struct gw_conn *conn)
{
    return conn->id;
}

unsigned gw_conn_count(void)
{
    return open_count;
}
