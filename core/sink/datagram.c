/* Lines as datagrams: to a UDP receiver, or to the local syslog socket. What the network loses
 * nobody hears of; a local socket that takes nothing (full, or nobody is there) is tried again. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "net/addr.h"
#include "net/resolver.h"
#include "sink/sink_private.h"

#include <errno.h>
#include <unistd.h>

struct gw_sink_datagrams {
    struct gw_sink *sink;
    struct gw_resolve *resolve;
    int fd; /* connected, or -1 */
};

static void open_datagrams(struct gw_sink *sink)
{
    struct gw_sink_datagrams *datagrams = gw_alloc_zero(sizeof(*datagrams));

    datagrams->sink = sink;
    datagrams->fd = -1;
    sink->way.datagrams = datagrams;
}

static void close_socket(struct gw_sink_datagrams *datagrams)
{
    if (datagrams->fd >= 0)
        close(datagrams->fd);
    datagrams->fd = -1;
}

static const char *words_for(int error)
{
    switch (error) {
    case ENOENT:
    case ECONNREFUSED:
        return "nobody listens there";
    case EAGAIN:
    case ENOBUFS:
        return "it takes lines too slowly";
    case EACCES:
    case EPERM:
        return "permission denied";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "it cannot be reached";
    default:
        return "a datagram cannot be sent";
    }
}

/* True when it went out, or is lost for good. UDP tells here what became of an earlier one: then
 * this one was not tried. */
static bool send_first(struct gw_sink_datagrams *datagrams)
{
    struct gw_sink *sink = datagrams->sink;
    const struct gw_sink_entry *entry = sink->oldest;
    bool is_udp = sink->options.kind == GW_SINK_UDP;

    for (int tries = 0; tries < 2; tries++) {
        if (GW_FAULT_SYS(SINK_SEND, send(datagrams->fd, entry->text, entry->len, MSG_NOSIGNAL)) >=
            0) {
            gw_sink_delivered_some(sink, 1);
            return true;
        }
        if (errno == EMSGSIZE) {
            gw_sink_give_up_first(sink);
            return true;
        }
        if (errno != EINTR && !(is_udp && errno == ECONNREFUSED))
            return false;
    }
    return false;
}

static void send_batch(struct gw_sink_datagrams *datagrams)
{
    struct gw_sink *sink = datagrams->sink;

    while (sink->batch.count > 0) {
        if (send_first(datagrams))
            continue;
        int error = errno;

        if (error != EAGAIN && error != ENOBUFS)
            close_socket(datagrams); /* the next try looks for it anew */
        gw_sink_delivered(sink, words_for(error));
        return;
    }
    gw_sink_delivered(sink, NULL);
}

static void connect_to(struct gw_sink_datagrams *datagrams, const struct gw_addr *addr)
{
    int type = SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC;

    datagrams->fd = GW_FAULT_SYS(SOCKET, socket(addr->sa.any.sa_family, type, 0));
    if (datagrams->fd >= 0 && connect(datagrams->fd, &addr->sa.any, addr->len) == 0) {
        send_batch(datagrams);
        return;
    }
    int error = errno;

    close_socket(datagrams);
    gw_sink_delivered(datagrams->sink, words_for(error));
}

static void on_resolved(void *ctx, const struct gw_resolved *answer, enum gw_error error)
{
    struct gw_sink_datagrams *datagrams = ctx;
    struct gw_random *random = &datagrams->sink->sinks->loop->random;

    datagrams->resolve = NULL;
    if (error || answer->count == 0)
        gw_sink_delivered(datagrams->sink, "its name does not resolve");
    else
        connect_to(datagrams, &answer->addrs[gw_random_below(random, answer->count)]);
}

static void connect_unix(struct gw_sink_datagrams *datagrams, struct gw_slice path)
{
    struct gw_addr addr = { .sa.un.sun_family = AF_UNIX, .len = sizeof(addr.sa.un) };

    if (path.len >= sizeof(addr.sa.un.sun_path)) {
        gw_sink_delivered(datagrams->sink, "the path of the socket is too long");
        return;
    }
    memcpy(addr.sa.un.sun_path, path.ptr, path.len);
    connect_to(datagrams, &addr);
}

static void deliver(struct gw_sink *sink)
{
    struct gw_sink_datagrams *datagrams = sink->way.datagrams;
    const struct gw_sink_options *options = &sink->options;
    struct gw_addr addr;

    if (datagrams->fd >= 0)
        send_batch(datagrams);
    else if (options->kind == GW_SINK_SYSLOG)
        connect_unix(datagrams, options->path);
    else if (gw_addr_parse_ip(&addr, options->host, options->port))
        connect_to(datagrams, &addr);
    else
        datagrams->resolve = gw_resolve_start(sink->sinks->loop, options->host.ptr, options->port,
                                              on_resolved, datagrams);
}

static void close_datagrams(struct gw_sink *sink)
{
    struct gw_sink_datagrams *datagrams = sink->way.datagrams;

    if (datagrams->resolve)
        gw_resolve_cancel(datagrams->resolve);
    close_socket(datagrams);
    gw_free(datagrams);
    sink->way.datagrams = NULL;
}

const struct gw_sink_carrier gw_sink_datagram_carrier = {
    .batch_max = 200,
    .open = open_datagrams,
    .deliver = deliver,
    .close = close_datagrams,
};
