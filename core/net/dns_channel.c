/* The channel of c-ares on a loop: its sockets are watched and its timer is ours. When its servers
 * change, there is a new channel. */
#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/dns_private.h"

#include <sys/stat.h>

#define RESOLV_CONF "/etc/resolv.conf"
#define DNS_PORT 53
#define TRY_MS 2000
#define TRIES 2
#define UDP_SIZE 1232 /* no answer of that size is fragmented; larger ones come over TCP */

struct dns_socket {
    struct gw_list_node node;
    struct gw_dns *dns;
    ares_socket_t fd;
    uv_poll_t poll;
};

static void handle_closed(struct gw_dns *dns)
{
    if (--dns->open_handles == 0)
        gw_free(dns);
}

static void on_timer(uv_timer_t *timer);

void gw_dns_set_timer(struct gw_dns *dns)
{
    struct timeval wait;

    if (dns->closing || !dns->channel)
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
    gw_dns_set_timer(dns);
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
    gw_dns_set_timer(dns);
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

/* ── servers ── */

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

static bool parse_servers(struct ares_addr_port_node list[GW_DNS_SERVERS_MAX], struct gw_slice text,
                          unsigned *count)
{
    struct gw_slice item;

    *count = 0;
    if (text.len == 0)
        return true;
    while (gw_slice_next(&text, ',', &item)) {
        if (*count == GW_DNS_SERVERS_MAX || !parse_server(&list[*count], item))
            return false;
        ++*count;
    }
    return true;
}

static struct file_mark mark_of(const struct gw_dns *dns)
{
    struct stat info;

    if (stat(dns->resolv_conf, &info) != 0)
        return (struct file_mark){ 0 };
    return (struct file_mark){ .inode = info.st_ino,
                               .size = info.st_size,
                               .changed_s = info.st_mtim.tv_sec,
                               .changed_ns = info.st_mtim.tv_nsec };
}

static bool set_channel_servers(struct gw_dns *dns, ares_channel channel)
{
    for (unsigned i = 0; i < dns->server_count; i++)
        dns->servers[i].next = i + 1 < dns->server_count ? &dns->servers[i + 1] : NULL;
    return dns->server_count == 0 || ares_set_servers_ports(channel, dns->servers) == ARES_SUCCESS;
}

static ares_channel new_channel(struct gw_dns *dns)
{
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS,
        .ednspsz = UDP_SIZE,
        .sock_state_cb = on_socket_state,
        .sock_state_cb_data = dns,
        .timeout = (int)dns->timeout_ms,
        .tries = (int)dns->tries,
        .udp_port = dns->port,
        .tcp_port = dns->port,
        .resolvconf_path = (char *)(uintptr_t)dns->resolv_conf, /* c-ares only reads it */
    };
    ares_channel channel = NULL;
    int error =
        GW_FAULT(DNS_START)
            ? ARES_ENOMEM
            : ares_init_options(&channel, &options,
                                ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_RESOLVCONF |
                                    ARES_OPT_UDP_PORT | ARES_OPT_TCP_PORT | ARES_OPT_SOCK_STATE_CB |
                                    ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);

    if (error || !set_channel_servers(dns, channel)) {
        gw_error("resolver: c-ares does not start: %s; no name will resolve "
                 "(is /etc/resolv.conf readable?)",
                 ares_strerror(error));
        if (channel)
            ares_destroy(channel);
        return NULL;
    }
    return channel;
}

/* Questions on their way end with the old channel and are asked again on the new one. */
static void renew_channel(struct gw_dns *dns)
{
    ares_channel before = dns->channel;

    dns->read = mark_of(dns);
    dns->channel = new_channel(dns);
    if (before)
        ares_destroy(before);
    gw_dns_set_timer(dns);
}

void gw_dns_prepare(struct gw_dns *dns)
{
    if (!dns->channel) {
        renew_channel(dns);
        return;
    }
    struct file_mark now = mark_of(dns);

    if (dns->server_count == 0 && memcmp(&now, &dns->read, sizeof(now)) != 0) {
        gw_info("resolver: %s changed and is read again", dns->resolv_conf);
        renew_channel(dns);
    }
}

bool gw_dns_set_servers(struct gw_dns *dns, const struct gw_dns_servers *servers)
{
    struct ares_addr_port_node list[GW_DNS_SERVERS_MAX] = { 0 };
    unsigned count;

    if (!parse_servers(list, servers->list, &count))
        return false;
    memcpy(dns->servers, list, sizeof(list));
    dns->server_count = count;
    dns->timeout_ms = servers->timeout_ms ? servers->timeout_ms : TRY_MS;
    dns->tries = servers->tries ? servers->tries : TRIES;
    dns->port = servers->port ? servers->port : DNS_PORT;
    dns->resolv_conf = servers->resolv_conf ? servers->resolv_conf : RESOLV_CONF;
    if (dns->channel)
        renew_channel(dns);
    return true;
}

/* ── life ── */

struct gw_dns *gw_dns_new(struct gw_loop *loop, unsigned max)
{
    struct gw_dns *dns = gw_alloc_zero(sizeof(*dns));

    dns->loop = loop;
    dns->max = max;
    dns->timeout_ms = TRY_MS;
    dns->tries = TRIES;
    dns->port = DNS_PORT;
    dns->resolv_conf = RESOLV_CONF;
    gw_list_init(&dns->sockets);
    GW_ASSERT(uv_timer_init(&loop->uv, &dns->timer) == 0);
    dns->open_handles = 1;
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
