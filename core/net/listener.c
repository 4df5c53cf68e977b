#include "net/listener.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/conn_private.h"
#include "net/relief.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <unistd.h>

/* One listener must not keep the others and the open connections waiting. */
#define ACCEPT_A_TURN 64

/* How long accepting rests when the system has nothing to give. */
#define REST_US 100000
#define LOG_EVERY_US 1000000

/* Of a request that is hung up on: 64 KiB. */
#define DISCARD_READS 16

struct gw_listener {
    uv_poll_t poll; /* not a uv_tcp_t: libuv would drop waiting peers by itself, and unheard */
    struct gw_loop *loop;
    int fd;
    int spare_fd; /* closed to make room for accepting a peer that must be dropped; -1: gone */
    struct gw_addr addr;
    gw_listener_cb on_conn;
    gw_listener_drop_cb on_drop; /* NULL: nobody cares */
    struct gw_slice answer;      /* to those that are dropped */
    void *ctx;
    struct gw_timer rest;
    uint64_t next_log_us;
    unsigned dropped; /* since the last line */
    bool watched;     /* `poll` is one of the loop's handles */
    bool closing;
};

static void on_readable(uv_poll_t *poll, int status, int events);

static int open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void log_trouble(struct gw_listener *listener, int error)
{
    char text[GW_ADDR_TEXT_MAX];
    char reason[128];
    uint64_t now_us = listener->loop->clock.now_us;
    bool files = error == EMFILE || error == ENFILE;

    if (now_us < listener->next_log_us)
        return;
    gw_addr_format(&listener->addr, text);
    gw_warn("listener %s: %s; %u connections dropped%s", text,
            strerror_r(error, reason, sizeof(reason)), listener->dropped,
            files ? " (raise the limit of open files: LimitNOFILE= or ulimit -n)" : "");
    listener->dropped = 0;
    listener->next_log_us = now_us + LOG_EVERY_US;
}

/* Returns 0 or a negative errno. */
static int watch(struct gw_listener *listener)
{
    int error =
        GW_FAULT_UV(LISTENER, uv_poll_init(&listener->loop->uv, &listener->poll, listener->fd));

    if (error)
        return error;
    listener->watched = true;
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return 0;
}

static void take_a_rest(struct gw_listener *listener);

static void on_rested(struct gw_timer *timer)
{
    struct gw_listener *listener = container_of(timer, struct gw_listener, rest);

    if (listener->watched)
        uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    else if (watch(listener) != 0)
        take_a_rest(listener);
}

/* Waiting peers stay in the kernel's queue meanwhile. */
static void take_a_rest(struct gw_listener *listener)
{
    if (listener->watched)
        uv_poll_stop(&listener->poll);
    gw_timer_start(listener->loop, &listener->rest, REST_US, on_rested);
}

/* The answer arrives only when what the peer sent is read: else the kernel sends a reset over it.
 */
static void say_and_hang_up(struct gw_listener *listener, int fd)
{
    char request[4096];
    int left = DISCARD_READS;

    while (left-- && recv(fd, request, sizeof(request), MSG_DONTWAIT) > 0)
        ;
    if (listener->answer.len)
        (void)!send(fd, listener->answer.ptr, listener->answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    close(fd);
}

/* Without descriptors the peer in front would wake us for ever: take it with the spare one, and
 * hang up. Returns 0 or the errno of the try. */
static int drop_one(struct gw_listener *listener)
{
    struct gw_addr peer = { .len = sizeof(peer.sa) };

    if (listener->spare_fd < 0)
        return EMFILE;
    close(listener->spare_fd);
    int fd = accept4(listener->fd, &peer.sa.any, &peer.len, SOCK_CLOEXEC);
    int error = fd < 0 ? errno : 0;

    if (fd >= 0)
        say_and_hang_up(listener, fd);
    listener->spare_fd = open_spare();
    if (fd >= 0) {
        listener->dropped++;
        if (listener->on_drop)
            listener->on_drop(listener->ctx, &peer);
    }
    return error;
}

/* Out of descriptors: whether to try again at once. */
static bool make_room(struct gw_listener *listener, int error)
{
    struct gw_loop *loop = listener->loop;

    if (gw_loop_relieve(loop) > 0)
        return true;
    if (loop->relief.ask) {
        loop->relief.ask(loop->relief.ctx);
        take_a_rest(listener);
        return false;
    }

    int drop_error = drop_one(listener);

    if (drop_error == EAGAIN)
        return false;
    log_trouble(listener, error);
    if (drop_error == 0)
        return true;
    take_a_rest(listener);
    return false;
}

/* After accept() failed: whether to try again at once. */
static bool survive(struct gw_listener *listener, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case EINTR: /* and the peers' own trouble: accept(2) asks to try again */
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case EPERM:
        return true;
    case EMFILE:
    case ENFILE: /* also reported when nobody waits */
        return make_room(listener, error);
    default:
        log_trouble(listener, error);
        take_a_rest(listener);
        return false;
    }
}

static void hand_over(struct gw_listener *listener, int fd, const struct gw_addr *peer)
{
    struct gw_conn *conn = gw_conn_from_fd(listener->loop, fd, peer);

    if (conn)
        listener->on_conn(listener->ctx, listener, conn);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct gw_listener *listener = container_of(poll, struct gw_listener, poll);
    (void)status;
    (void)events;

    gw_loop_woke(listener->loop);
    if (listener->spare_fd < 0)
        listener->spare_fd = open_spare();
    for (int left = ACCEPT_A_TURN; left && !listener->closing; left--) {
        struct gw_addr peer = { .len = sizeof(peer.sa) };
        int fd = GW_FAULT_SYS(
            ACCEPT, accept4(listener->fd, &peer.sa.any, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC));

        if (fd >= 0)
            hand_over(listener, fd, &peer);
        else if (!survive(listener, errno))
            return;
    }
}

static void on_close(uv_handle_t *handle)
{
    gw_free(container_of((uv_poll_t *)handle, struct gw_listener, poll));
}

static void close_files(struct gw_listener *listener)
{
    close(listener->fd);
    if (listener->spare_fd >= 0)
        close(listener->spare_fd);
}

struct gw_listener *gw_listener_open(struct gw_loop *loop, int fd, gw_listener_cb on_conn,
                                     void *ctx)
{
    struct gw_listener *listener = gw_alloc_zero(sizeof(*listener));
    int on = 1;

    listener->loop = loop;
    listener->fd = fd;
    listener->spare_fd = open_spare();
    listener->on_conn = on_conn;
    listener->ctx = ctx;
    listener->addr.len = sizeof(listener->addr.sa);
    if (getsockname(fd, &listener->addr.sa.any, &listener->addr.len) != 0)
        listener->addr.len = 0;
    if (listener->addr.sa.any.sa_family != AF_UNIX) /* what is accepted inherits it */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    int error = watch(listener);

    if (!error)
        return listener;
    if (error != UV_ENOMEM && error != UV_ENOSPC) {
        close_files(listener);
        gw_free(listener);
        return NULL;
    }
    log_trouble(listener, -error); /* nobody may wait for ever in a queue that nobody empties */
    take_a_rest(listener);
    return listener;
}

void gw_listener_on_drop(struct gw_listener *listener, struct gw_slice answer,
                         gw_listener_drop_cb on_drop)
{
    listener->answer = answer;
    listener->on_drop = on_drop;
}

void gw_listener_close(struct gw_listener *listener)
{
    listener->closing = true;
    gw_timer_stop(&listener->rest);
    if (!listener->watched) {
        close_files(listener);
        gw_free(listener);
        return;
    }
    uv_poll_stop(&listener->poll); /* before the descriptor may mean something else */
    close_files(listener);
    uv_close((uv_handle_t *)&listener->poll, on_close);
}

const struct gw_addr *gw_listener_addr(const struct gw_listener *listener)
{
    return &listener->addr;
}
