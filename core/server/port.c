#include "server/port.h"

#include "base/alloc.h"
#include "base/check.h"
#include "net/tls_server.h"

#include <stdio.h>
#include <unistd.h>

void gw_ports_init(struct gw_ports *ports, struct gw_socket_source *sockets)
{
    gw_list_init(&ports->all);
    ports->sockets = sockets;
}

void gw_ports_deinit(struct gw_ports *ports)
{
    GW_LIST_EACH(&ports->all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);

        gw_list_remove(&port->node);
        gw_clients_free(port->clients);
        gw_free(port->written);
        gw_free(port);
    }
    gw_socket_source_free(ports->sockets);
    ports->sockets = NULL;
}

/* The port of that text which no listener of this plan took yet ("127.0.0.1:0" may stand there
 * twice). */
static struct gw_port *find_port(struct gw_ports *ports, struct gw_slice written)
{
    GW_LIST_EACH(&ports->all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);

        if (!port->wanted && gw_slice_equal(gw_slice_from(port->written), written))
            return port;
    }
    return NULL;
}

static struct gw_port *add_port(struct gw_ports *ports, struct gw_slice written)
{
    struct gw_port *port = gw_alloc_zero(sizeof(*port));

    port->written = gw_strndup(written.ptr, written.len);
    port->clients = gw_clients_new();
    gw_list_append(&ports->all, &port->node);
    return port;
}

/* The process before this one may have had more workers: their sockets hold connections that wait,
 * and go on getting their share. */
static void take_what_is_left(struct gw_ports *ports, const struct gw_port *port,
                              struct gw_port_plan *plan, unsigned at)
{
    int fd;

    GW_ASSERT(plan->workers > 0);
    for (unsigned index = plan->workers;
         (fd = gw_socket_source_get_kept(ports->sockets, &port->addr, index)) >= 0; index++) {
        struct gw_port_share *share = &plan->shares[index % plan->workers * plan->count + at];

        share->more = gw_realloc(share->more, (share->more_count + 1) * sizeof(share->more[0]));
        share->more[share->more_count++] = fd;
    }
}

/* Binds a port for every worker. */
static bool open_port(struct gw_ports *ports, struct gw_port *port, struct gw_port_plan *plan,
                      unsigned at, char *why, size_t why_size)
{
    char text[256];

    if (!gw_addr_parse(&port->addr, gw_slice_from(port->written))) {
        snprintf(why, why_size, "listeners: '%s' is not an address (write it as 127.0.0.1:8000)",
                 port->written);
        return false;
    }
    for (unsigned worker = 0; worker < plan->workers; worker++) {
        int fd = gw_socket_source_get(ports->sockets, &port->addr, worker, text, sizeof(text));

        if (fd < 0) {
            snprintf(why, why_size, "listeners: %s", text);
            return false;
        }
        plan->shares[worker * plan->count + at].fd = fd;
    }
    take_what_is_left(ports, port, plan, at);
    return true;
}

static bool is_unix(const struct gw_port *port)
{
    return port->addr.len && port->addr.sa.any.sa_family == AF_UNIX;
}

static struct gw_socket_access wanted_access(const struct gw_port *port)
{
    return (struct gw_socket_access){ port->wanted->mode, port->wanted->group };
}

static bool same_access(struct gw_socket_access a, struct gw_socket_access b)
{
    return a.mode == b.mode && a.group == b.group;
}

/* A unix socket that is new, or is to be open to others than before. */
static bool set_access(struct gw_ports *ports, struct gw_port *port, char *why, size_t why_size)
{
    struct gw_socket_access wanted = wanted_access(port);
    char text[256];

    if (!is_unix(port) || (port->open && same_access(port->access, wanted)))
        return true;
    if (gw_socket_source_set_access(ports->sockets, &port->addr, &wanted, text, sizeof(text)))
        return true;
    snprintf(why, why_size, "listeners: %s", text);
    return false;
}

static void fill_share(struct gw_port_share *share, struct gw_port *port,
                       const struct gw_listener_config *listener)
{
    share->port = port;
    share->limits = listener->limits;
    share->proxy_from = listener->proxy_from;
    share->http2 = listener->http2;
    if (!listener->tls_server)
        return;
    share->tls = gw_tls_server_ref(listener->tls_server);
    share->handshake_timeout_us = listener->tls->handshake_timeout_us;
}

bool gw_port_plan_make(struct gw_port_plan *plan, struct gw_ports *ports,
                       const struct gw_config *config, unsigned workers, char *why, size_t why_size)
{
    unsigned count = config->listener_count;
    size_t shares = (size_t)count * workers;

    *plan = (struct gw_port_plan){ .count = count, .workers = workers };
    plan->shares = gw_alloc_zero((shares ? shares : 1) * sizeof(plan->shares[0]));
    for (size_t i = 0; i < shares; i++)
        plan->shares[i].fd = -1;
    for (unsigned i = 0; i < count; i++) {
        const struct gw_listener_config *listener = &config->listeners[i];
        struct gw_port *port = find_port(ports, listener->address);

        if (!port)
            port = add_port(ports, listener->address);
        port->wanted = listener;
        if ((!port->open && !open_port(ports, port, plan, i, why, why_size)) ||
            !set_access(ports, port, why, why_size)) {
            gw_port_plan_undo(plan, ports);
            return false;
        }
        for (unsigned worker = 0; worker < workers; worker++)
            fill_share(&plan->shares[worker * count + i], port, listener);
    }
    return true;
}

void gw_port_plan_undo(struct gw_port_plan *plan, struct gw_ports *ports)
{
    char why[256]; /* what worked before works again */

    GW_LIST_EACH(&ports->all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);

        if (port->wanted && !port->open && port->addr.len)
            gw_socket_source_release(ports->sockets, &port->addr);
        else if (port->wanted && is_unix(port) && !same_access(port->access, wanted_access(port)))
            gw_socket_source_set_access(ports->sockets, &port->addr, &port->access, why,
                                        sizeof(why));
        port->wanted = NULL;
    }
    gw_port_plan_deinit(plan);
}

void gw_port_plan_commit(struct gw_port_plan *plan, struct gw_ports *ports)
{
    GW_LIST_EACH(&ports->all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);
        bool wanted = port->wanted != NULL;

        if (port->open && !wanted)
            gw_socket_source_release(ports->sockets, &port->addr);
        if (wanted)
            port->access = wanted_access(port);
        port->open = wanted;
        port->wanted = NULL;
    }
    GW_ASSERT(plan->shares);
}

void gw_port_share_deinit(struct gw_port_share *share)
{
    if (share->fd >= 0)
        close(share->fd);
    share->fd = -1;
    while (share->more_count)
        close(share->more[--share->more_count]);
    gw_free(share->more);
    share->more = NULL;
    gw_tls_server_unref(share->tls);
    share->tls = NULL;
}

void gw_port_plan_deinit(struct gw_port_plan *plan)
{
    for (size_t i = 0; plan->shares && i < (size_t)plan->count * plan->workers; i++)
        gw_port_share_deinit(&plan->shares[i]);
    gw_free(plan->shares);
    plan->shares = NULL;
}
