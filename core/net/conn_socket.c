#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/conn_private.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* One system call takes at most so much of the queue, so that room is told while the rest still
 * waits. */
#define BATCH_BYTES (256 * 1024)
#define BATCH_SLICES 64

struct gw_socket {
    struct gw_conn conn;
    struct gw_socket_write *write; /* under way, or NULL */
    union {
        uv_handle_t handle;
        uv_stream_t stream;
        uv_tcp_t tcp;
        uv_pipe_t pipe;
    } uv;
};

struct gw_socket_write {
    uv_write_t request;
    struct gw_socket *socket;
    struct gw_list chunks;
};

static struct gw_socket *socket_of(const struct gw_conn *conn)
{
    return container_of(conn, struct gw_socket, conn);
}

uv_stream_t *gw_conn_stream(struct gw_conn *conn)
{
    return &socket_of(conn)->uv.stream;
}

static int fd_of(struct gw_socket *socket)
{
    uv_os_fd_t fd;

    return uv_fileno(&socket->uv.handle, &fd) == 0 ? fd : -1;
}

/* A write is to fail as it does when the peer went away: reading comes to its end, too. */
static int break_off(struct gw_socket *socket, int error)
{
    if (error == EPIPE || error == ECONNRESET)
        shutdown(fd_of(socket), SHUT_RDWR);
    return -error;
}

/* ── reading ── */

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct gw_socket *socket = handle->data;
    size_t limit = socket->conn.read_limit;
    (void)suggested;

    buf->base = socket->conn.loop->read_buffer;
    buf->len = limit && limit < GW_READ_BUFFER_SIZE ? limit : GW_READ_BUFFER_SIZE;
    if (GW_FAULT(CONN_READ_SHORT))
        buf->len = 1;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct gw_socket *socket = stream->data;

    gw_loop_woke(socket->conn.loop);
    if (count > 0)
        gw_conn_got_bytes(&socket->conn, gw_slice(buf->base, (size_t)count));
    else if (count < 0)
        gw_conn_got_end(&socket->conn, count == UV_EOF ? GW_E_CLOSED : GW_E_RESET);
}

static void set_reading(struct gw_conn *conn, bool on)
{
    if (!on)
        uv_read_stop(gw_conn_stream(conn));
    else if (uv_read_start(gw_conn_stream(conn), lend_buffer, on_read) != 0)
        GW_ASSERT(!"a connected socket can be read");
}

/* ── writing ── */

/* libuv's type is not const, though it only reads. */
static uv_buf_t to_uv(const char *ptr, size_t len)
{
    return (uv_buf_t){ .base = (char *)ptr, .len = len };
}

/* What uv_try_write() does, but with sendmsg(): write() and writev() go through the file layer
 * first, which a socket does not need and which costs about 2 % of a request each. */
static ssize_t try_write(struct gw_conn *conn, const struct gw_slice *slices, unsigned count)
{
    struct gw_socket *socket = socket_of(conn);
    struct iovec parts[BATCH_SLICES];
    struct msghdr message = { .msg_iov = parts };

    if (GW_FAULT(CONN_WRITE))
        return break_off(socket, errno);
    for (unsigned i = 0; i < count && message.msg_iovlen < BATCH_SLICES; i++)
        if (slices[i].len)
            parts[message.msg_iovlen++] =
                (struct iovec){ .iov_base = (char *)slices[i].ptr, .iov_len = slices[i].len };
    if (message.msg_iovlen == 0 || GW_FAULT(CONN_WRITE_FULL))
        return 0;
    if (GW_FAULT(CONN_WRITE_SHORT))
        parts[0].iov_len = message.msg_iovlen = 1;
    GW_ASSERT(!socket->write); /* its bytes would be overtaken */

    ssize_t sent;

    do
        sent = sendmsg(fd_of(socket), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return sent;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : uv_translate_sys_error(errno);
}

static void on_written(uv_write_t *request, int status)
{
    struct gw_socket_write *write = container_of(request, struct gw_socket_write, request);
    struct gw_socket *socket = write->socket;

    gw_loop_woke(socket->conn.loop);
    if (status == 0 && GW_FAULT(CONN_WRITE_LATER))
        status = break_off(socket, errno);
    gw_chunks_free(&write->chunks);
    gw_free(write);
    socket->write = NULL;
    gw_conn_wrote(&socket->conn, status);
}

static void start_write(struct gw_conn *conn)
{
    struct gw_socket *socket = socket_of(conn);
    struct gw_socket_write *write = gw_alloc_zero(sizeof(*write));
    uv_buf_t bufs[BATCH_SLICES];
    unsigned count = 0;

    write->socket = socket;
    gw_list_init(&write->chunks);
    gw_conn_take_chunks(conn, &write->chunks, BATCH_BYTES, BATCH_SLICES);
    GW_LIST_EACH(&write->chunks, node) {
        struct gw_chunk *chunk = container_of(node, struct gw_chunk, node);

        bufs[count++] = to_uv(chunk->ptr, chunk->len);
    }
    socket->write = write;
    int error = uv_write(&write->request, &socket->uv.stream, bufs, count, on_written);

    if (error) /* not tried at all: no callback comes */
        on_written(&write->request, error);
}

static size_t pending(const struct gw_conn *conn)
{
    const struct gw_socket *socket = socket_of(conn);

    return socket->write ? uv_stream_get_write_queue_size(&socket->uv.stream) : 0;
}

static size_t in_flight(const struct gw_conn *conn)
{
    int bytes = 0;

    return ioctl(fd_of(socket_of(conn)), SIOCOUTQ, &bytes) == 0 && bytes > 0 ? (size_t)bytes : 0;
}

static unsigned look(const struct gw_conn *conn)
{
    struct pollfd watched = { .fd = fd_of(socket_of(conn)), .events = POLLIN | POLLRDHUP };
    char byte;

    if (poll(&watched, 1, 0) <= 0)
        return 0;

    bool ended = watched.revents & (POLLRDHUP | POLLHUP | POLLERR);
    bool bytes =
        (watched.revents & POLLIN) && recv(watched.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;

    return (bytes ? GW_CONN_SEES_BYTES : 0) | (ended ? GW_CONN_SEES_END : 0);
}

/* uv_shutdown() waits for writability first, which costs two system calls more. */
static void send_end(struct gw_conn *conn)
{
    shutdown(fd_of(socket_of(conn)), SHUT_WR);
}

/* ── life ── */

static void fill_local(struct gw_conn *conn, struct gw_addr *addr)
{
    addr->len = sizeof(addr->sa);
    if (getsockname(fd_of(socket_of(conn)), &addr->sa.any, &addr->len) != 0)
        addr->len = 0;
}

static void on_close(uv_handle_t *handle)
{
    struct gw_socket *socket = handle->data;

    gw_conn_deinit(&socket->conn);
    gw_free(socket);
}

static void close_socket(struct gw_conn *conn)
{
    const struct linger at_once = { .l_onoff = 1 };

    if (conn->resets)
        setsockopt(fd_of(socket_of(conn)), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    uv_close(&socket_of(conn)->uv.handle, on_close);
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
    .close = close_socket,
};

struct gw_conn *gw_conn_new_unconnected(struct gw_loop *loop, const struct gw_addr *peer)
{
    bool is_unix = peer->sa.any.sa_family == AF_UNIX;
    /* A pipe is larger: ten thousand idle clients need not pay for it. */
    size_t handle = is_unix ? sizeof(uv_pipe_t) : sizeof(uv_tcp_t);
    struct gw_socket *socket = gw_alloc_zero(offsetof(struct gw_socket, uv) + handle);
    int error = is_unix ? uv_pipe_init(&loop->uv, &socket->uv.pipe, 0)
                        : uv_tcp_init(&loop->uv, &socket->uv.tcp);

    GW_ASSERT(error == 0); /* it makes no descriptor yet */
    socket->uv.handle.data = socket;
    gw_conn_init(&socket->conn, &carrier, loop);
    socket->conn.peer = *peer;
    return &socket->conn;
}

struct gw_conn *gw_conn_from_fd(struct gw_loop *loop, int fd, const struct gw_addr *peer)
{
    struct gw_conn *conn = gw_conn_new_unconnected(loop, peer);
    struct gw_socket *socket = socket_of(conn);
    int error = GW_FAULT(CONN_OPEN)                 ? -errno
                : peer->sa.any.sa_family == AF_UNIX ? uv_pipe_open(&socket->uv.pipe, fd)
                                                    : uv_tcp_open(&socket->uv.tcp, fd);

    if (!error)
        return conn;
    close(fd);
    gw_conn_close(conn);
    return NULL;
}
