#include "net/dns.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"

#include <ares.h>

#define DNS_PORT 53
#define TRY_MS 2000 /* the second try waits twice as long */
#define TRIES 2

/* c-ares works on its own sockets and by the real clock, also where the loop's clock is virtual. */
struct gw_dns {
    struct gw_loop *loop;
    ares_channel channel; /* NULL: c-ares does not start, every question fails */
    uv_timer_t timer;
    struct gw_list sockets;
    unsigned open_handles; /* freed when the last one is closed */
    unsigned max;
    bool closing;
};

struct dns_socket {
    struct gw_list_node node;
    struct gw_dns *dns;
    ares_socket_t fd;
    uv_poll_t poll;
};

struct dns_question {
    struct gw_dns *dns;
    gw_dns_cb done;
    void *ctx;
};

static void handle_closed(struct gw_dns *dns)
{
    if (--dns->open_handles == 0)
        gw_free(dns);
}

static void on_timer(uv_timer_t *timer);

/* To be called after everything that went into c-ares. */
static void set_timer(struct gw_dns *dns)
{
    struct timeval wait;

    if (dns->closing)
        return;
    if (ares_timeout(dns->channel, NULL, &wait)) {
        uint64_t ms = (uint64_t)wait.tv_sec * 1000 + (uint64_t)wait.tv_usec / 1000 + 1;

        uv_timer_start(&dns->timer, on_timer, ms, 0);
    } else {
        uv_timer_stop(&dns->timer);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct gw_dns *dns = container_of(timer, struct gw_dns, timer);

    gw_loop_woke(dns->loop);
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    set_timer(dns);
}

/* ── c-ares' sockets ── */

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_socket *sock = container_of(poll, struct dns_socket, poll);
    struct gw_dns *dns = sock->dns;
    ares_socket_t fd = sock->fd; /* the struct may be on its way out after the first call */
    bool readable = status < 0 || (events & UV_READABLE);
    bool writable = status < 0 || (events & UV_WRITABLE);

    gw_loop_woke(dns->loop);
    ares_process_fd(dns->channel, readable ? fd : ARES_SOCKET_BAD, writable ? fd : ARES_SOCKET_BAD);
    set_timer(dns);
}

static struct dns_socket *find_socket(struct gw_dns *dns, ares_socket_t fd)
{
    GW_LIST_EACH(&dns->sockets, node) {
        struct dns_socket *sock = container_of(node, struct dns_socket, node);

        if (sock->fd == fd)
            return sock;
    }
    return NULL;
}

static void on_socket_closed(uv_handle_t *handle)
{
    struct dns_socket *sock = container_of((uv_poll_t *)handle, struct dns_socket, poll);
    struct gw_dns *dns = sock->dns;

    gw_free(sock);
    handle_closed(dns);
}

static struct dns_socket *watch(struct gw_dns *dns, ares_socket_t fd)
{
    struct dns_socket *sock = gw_alloc_zero(sizeof(*sock));
    int error = GW_FAULT_UV(DNS_WATCH, uv_poll_init_socket(&dns->loop->uv, &sock->poll, fd));

    if (error) { /* c-ares' own timeout will end the question */
        gw_warn("resolver: cannot watch a socket: %s", uv_strerror(error));
        gw_free(sock);
        return NULL;
    }
    sock->dns = dns;
    sock->fd = fd;
    dns->open_handles++;
    gw_list_append(&dns->sockets, &sock->node);
    return sock;
}

/* c-ares opened a socket, waits for something else on it, or (neither) is about to close it. */
static void on_socket_state(void *data, ares_socket_t fd, int readable, int writable)
{
    struct gw_dns *dns = data;
    struct dns_socket *sock = find_socket(dns, fd);
    int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);

    if (events) {
        if (!sock)
            sock = watch(dns, fd);
        if (sock)
            uv_poll_start(&sock->poll, events, on_poll);
    } else if (sock) {
        uv_poll_stop(&sock->poll); /* now: afterwards the number may mean another file */
        gw_list_remove(&sock->node);
        uv_close((uv_handle_t *)&sock->poll, on_socket_closed);
    }
}

/* ── questions ── */

static enum gw_dns_outcome outcome_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return GW_DNS_FOUND;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return GW_DNS_NO_SUCH_NAME;
    }
    return GW_DNS_FAILED;
}

static bool copy_addr(struct gw_addr *addr, const struct ares_addrinfo_node *from)
{
    bool known = from->ai_family == AF_INET || from->ai_family == AF_INET6;

    if (!known || from->ai_addrlen > sizeof(addr->sa))
        return false;
    *addr = (struct gw_addr){ .len = from->ai_addrlen };
    memcpy(&addr->sa, from->ai_addr, from->ai_addrlen);
    return true;
}

static uint32_t shortest_ttl(const struct ares_addrinfo *info)
{
    int ttl_s = INT32_MAX;

    for (const struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
        ttl_s = node->ai_ttl < ttl_s ? node->ai_ttl : ttl_s;
    for (const struct ares_addrinfo_cname *name = info->cnames; name; name = name->next)
        ttl_s = name->ttl < ttl_s ? name->ttl : ttl_s;
    return ttl_s < 0 ? 0 : (uint32_t)ttl_s;
}

static void on_answer(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    struct dns_question *question = arg;
    struct gw_dns *dns = question->dns;
    struct gw_dns_answer answer = { .outcome = outcome_of(status) };
    (void)timeouts;

    if (answer.outcome == GW_DNS_FOUND && info) {
        answer.addrs = gw_alloc(dns->max * sizeof(*answer.addrs));
        for (struct ares_addrinfo_node *node = info->nodes; node; node = node->ai_next)
            if (answer.count < dns->max && copy_addr(&answer.addrs[answer.count], node))
                answer.count++;
        answer.ttl_s = shortest_ttl(info);
    }
    if (answer.outcome == GW_DNS_FOUND && answer.count == 0)
        answer.outcome = GW_DNS_NO_SUCH_NAME;
    if (info)
        ares_freeaddrinfo(info);
    if (GW_FAULT(DNS_ANSWER)) {
        answer.outcome = GW_DNS_FAILED;
        answer.count = 0;
    }
    if (!dns->closing)
        question->done(question->ctx, &answer);
    gw_free(answer.addrs);
    gw_free(question);
}

void gw_dns_ask(struct gw_dns *dns, const char *name, gw_dns_cb done, void *ctx)
{
    struct ares_addrinfo_hints hints = {
        .ai_family = AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = ARES_AI_NOSORT, /* sorting connects a socket for each address */
    };

    if (!dns->channel) {
        done(ctx, &(struct gw_dns_answer){ .outcome = GW_DNS_FAILED });
        return;
    }
    struct dns_question *question = gw_alloc(sizeof(*question));

    *question = (struct dns_question){ .dns = dns, .done = done, .ctx = ctx };
    ares_getaddrinfo(dns->channel, name, NULL, &hints, on_answer, question);
    set_timer(dns);
}

/* ── servers ── */

#define SERVERS_MAX 8

static bool parse_server(struct ares_addr_port_node *server, struct gw_slice text)
{
    struct gw_addr addr;

    if (!gw_addr_parse(&addr, text) && !gw_addr_parse_ip(&addr, text, DNS_PORT))
        return false;
    server->family = addr.sa.any.sa_family;
    if (server->family == AF_INET)
        server->addr.addr4 = addr.sa.v4.sin_addr;
    else if (server->family == AF_INET6)
        memcpy(&server->addr.addr6, &addr.sa.v6.sin6_addr, sizeof(server->addr.addr6));
    else
        return false;
    server->udp_port = server->tcp_port = gw_addr_port(&addr);
    return server->udp_port != 0;
}

bool gw_dns_set_servers(struct gw_dns *dns, struct gw_slice servers)
{
    struct ares_addr_port_node list[SERVERS_MAX] = { 0 };
    struct gw_slice item;
    unsigned count = 0;

    while (gw_slice_next(&servers, ',', &item)) {
        if (count == SERVERS_MAX || !parse_server(&list[count], item))
            return false;
        if (count > 0)
            list[count - 1].next = &list[count];
        count++;
    }
    return count > 0 && dns->channel && ares_set_servers_ports(dns->channel, list) == ARES_SUCCESS;
}

/* ── life ── */

static ares_channel new_channel(struct gw_dns *dns)
{
    struct ares_options options = {
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
        .timeout = TRY_MS,
        .tries = TRIES,
    };
    ares_channel channel = NULL;
    int error =
        GW_FAULT(DNS_START)
            ? ARES_ENOMEM
            : ares_init_options(&channel, &options,
                                ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);

    if (error) {
        gw_error("resolver: c-ares does not start: %s; no name will resolve "
                 "(is /etc/resolv.conf readable?)",
                 ares_strerror(error));
        return NULL;
    }
    return channel;
}

struct gw_dns *gw_dns_new(struct gw_loop *loop, unsigned max)
{
    struct gw_dns *dns = gw_alloc_zero(sizeof(*dns));

    dns->loop = loop;
    dns->max = max;
    gw_list_init(&dns->sockets);
    GW_ASSERT(uv_timer_init(&loop->uv, &dns->timer) == 0);
    dns->open_handles = 1;
    dns->channel = new_channel(dns);
    return dns;
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(container_of((uv_timer_t *)handle, struct gw_dns, timer));
}

void gw_dns_close(struct gw_dns *dns)
{
    dns->closing = true;
    if (dns->channel)
        ares_destroy(dns->channel); /* ends every question, closes every socket */
    dns->channel = NULL;
    uv_close((uv_handle_t *)&dns->timer, on_timer_closed);
}
