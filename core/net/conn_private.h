#pragma once
/* The inside of a connection, for what carries its bytes: sockets (conn_socket.c) and memory
 * (memory_pair.c).
 *
 * conn.c knows the owner, the queue and the states, conn_linger.c the gentle way out,
 * conn_watch.c who went away unheard, conn_tls.c where the TLS engine sits; the carrier moves
 * bytes. Its struct begins life with gw_conn_init(), tells what happens through the
 * gw_conn_got_*() functions and ends with gw_conn_deinit(). */
#include "net/addr.h"
#include "net/conn.h"

#include <sys/types.h>

struct gw_conn_linger;
struct gw_conn_tls;
struct gw_conn_watch;

struct gw_conn_carrier {
    /* Takes what it can at once. Returns how many bytes (0: none now), or a negative errno. Not
     * called while a write is under way. */
    ssize_t (*try_write)(struct gw_conn *conn, const struct gw_slice *slices, unsigned count);
    /* Begins to write the head of conn->queue; ends with gw_conn_wrote(), later unless it fails. */
    void (*start_write)(struct gw_conn *conn);
    /* Bytes of the write under way that are not given away yet. */
    size_t (*pending)(const struct gw_conn *conn);
    void (*set_reading)(struct gw_conn *conn, bool on);
    /* What reading would find: a sum of enum gw_conn_sight. */
    unsigned (*look)(const struct gw_conn *conn);
    /* Given away, but not at the peer yet. */
    size_t (*in_flight)(const struct gw_conn *conn);
    void (*shutdown)(struct gw_conn *conn);
    void (*fill_local)(struct gw_conn *conn, struct gw_addr *addr);
    /* Ends later, with gw_conn_deinit() and its memory freed. */
    void (*close)(struct gw_conn *conn);
};

enum gw_conn_sending {
    GW_CONN_SENDS,
    GW_CONN_SHUTTING, /* our end goes out behind what is queued */
    GW_CONN_SHUT,
    GW_CONN_FAILED, /* the peer is gone, or nearly; what is written is dropped */
};

enum gw_conn_receiving {
    GW_CONN_RECEIVES,
    GW_CONN_ENDED,  /* the peer's end came and was told */
    GW_CONN_BROKEN, /* the last on_end was told */
};

struct gw_conn {
    const struct gw_conn_carrier *carrier;
    struct gw_loop *loop;
    const struct gw_conn_events *events; /* NULL before bind and from close on */
    void *owner;
    uint64_t id;
    uint64_t bytes_in;
    uint64_t bytes_given; /* to write, whether sent or queued */
    size_t write_limit;
    size_t read_limit;             /* 0: none */
    struct gw_list queue;          /* struct gw_chunk: waiting for the write under way to end */
    size_t queue_bytes;            /* in `queue` */
    struct gw_defer end;           /* tells `end_error` */
    struct gw_conn_linger *linger; /* while closing gently */
    struct gw_conn_watch *watch;   /* while held, for on_hangup */
    struct gw_conn_tls *tls;       /* NULL: plain */
    struct gw_addr *local;         /* asked for at first use */
    struct gw_addr peer;
    enum gw_conn_sending sending;
    enum gw_conn_receiving receiving;
    enum gw_error end_error; /* waiting to be told; GW_OK: nothing is */
    uint16_t local_port;
    bool local_port_known; /* asked for at first use */
    bool held;
    bool reading;      /* the carrier reads */
    bool write_active; /* between start_write() and gw_conn_wrote() */
    bool wants_room;   /* gw_conn_write() returned false */
    bool closing;
    bool resets; /* closing with a reset */
};

/* Bytes on their way out: a copy, or a part of a blob. */
struct gw_chunk {
    struct gw_list_node node;
    struct gw_blob *blob; /* NULL: `data` holds them */
    const char *ptr;
    size_t len;
    size_t capacity; /* of data */
    char data[];
};

void gw_conn_init(struct gw_conn *conn, const struct gw_conn_carrier *carrier,
                  struct gw_loop *loop);
void gw_conn_deinit(struct gw_conn *conn);

/* Bytes arrived. The connection may be held or closing afterwards. */
void gw_conn_got_bytes(struct gw_conn *conn, struct gw_slice bytes);

/* The peer ended its side (GW_E_CLOSED) or the connection broke. */
void gw_conn_got_end(struct gw_conn *conn, enum gw_error why);

/* What a connection without TLS does with bytes that arrived, and with bytes to be written. */
void gw_conn_tell_bytes(struct gw_conn *conn, struct gw_slice bytes);
void gw_conn_tell_end(struct gw_conn *conn, enum gw_error why);
bool gw_conn_send(struct gw_conn *conn, const struct gw_slice *slices, unsigned count,
                  struct gw_blob *blob);

/* The same with TLS (conn_tls.c). */
void gw_conn_tls_got_bytes(struct gw_conn *conn, struct gw_slice bytes);
bool gw_conn_tls_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count);

/* The peer's end came on the wire: what was kept is told before. */
void gw_conn_tls_got_end(struct gw_conn *conn);
/* Somebody takes bytes (again): what was kept is told at the end of the turn. */
void gw_conn_tls_go_on(struct gw_conn *conn);
void gw_conn_tls_say_end(struct gw_conn *conn); /* close_notify */
void gw_conn_tls_free(struct gw_conn *conn);
bool gw_conn_tls_keeps(const struct gw_conn *conn); /* bytes that nobody took yet */

/* The write under way ended; `error` is 0 or a negative errno. */
void gw_conn_wrote(struct gw_conn *conn, int error);

/* Who reads, or whether anybody does, has changed: looks for the peer's end where reading cannot
 * tell of it (conn_watch.c). */
void gw_conn_watch_hangup(struct gw_conn *conn);

/* It is closing for good: no more lingering (conn_linger.c). */
void gw_conn_end_linger(struct gw_conn *conn);

/* The first chunks of conn->queue, at most `max_bytes` unless the first alone is more, and at most
 * `max_chunks`: moved to `out`. Returns how many. */
unsigned gw_conn_take_chunks(struct gw_conn *conn, struct gw_list *out, size_t max_bytes,
                             unsigned max_chunks);
/* An empty one at the end of the list, and what fills it. */
struct gw_chunk *gw_chunk_new(struct gw_list *chunks, size_t capacity);
void gw_chunk_fill(struct gw_chunk *chunk, struct gw_slice bytes);
void gw_chunks_free(struct gw_list *chunks);

/* Copies a slice (or refs a part of `blob`) to the end of the list; may fill up the last chunk. */
void gw_chunks_append(struct gw_list *chunks, struct gw_slice bytes, struct gw_blob *blob);

/* Ends the lingering ones of this loop at once. Returns how many. */
unsigned gw_conn_cut_lingering(struct gw_loop *loop);

/* A connection over a connected (accepted) stream socket, which it takes over. NULL, and the
 * descriptor closed, when libuv refuses it. */
struct gw_conn *gw_conn_from_fd(struct gw_loop *loop, int fd, const struct gw_addr *peer);

/* One that is not connected yet, for dial.c. */
struct gw_conn *gw_conn_new_unconnected(struct gw_loop *loop, const struct gw_addr *peer);
uv_stream_t *gw_conn_stream(struct gw_conn *conn);
