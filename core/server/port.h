#pragma once
/* The addresses we listen on. A reload compares them by what is written: kept, opened or closed.
 * Owned by control; workers hold pointers, so a port lives as long as the process, opened or not.
 */
#include "base/list.h"
#include "config/config.h"
#include "net/addr.h"
#include "net/socket_source.h"
#include "policy/clients.h"

#include <stdatomic.h>

struct gw_port {
    struct gw_list_node node;
    char *written;                  /* as configured: "127.0.0.1:0" */
    struct gw_addr addr;            /* as bound */
    struct gw_socket_access access; /* of a unix socket, in the current generation */
    atomic_uint connections;        /* open now, on all workers */
    struct gw_clients *clients;     /* of them, by client; those that were counted */
    bool open;                      /* part of the current generation */
    const struct gw_listener_config
        *wanted; /* of the generation being committed; NULL: to be closed */
};

struct gw_ports {
    struct gw_list all; /* struct gw_port */
    struct gw_socket_source *sockets;
};

/* `sockets` is owned from here on. */
void gw_ports_init(struct gw_ports *ports, struct gw_socket_source *sockets);
void gw_ports_deinit(struct gw_ports *ports);

/* One socket of one port for one worker, on its way to it. */
struct gw_port_share {
    struct gw_port *port;
    int fd;    /* -1: the worker has it already */
    int *more; /* sockets that a process before this one had for workers it had more; NULL: none */
    unsigned more_count;
    struct gw_limits limits;
    bool http2;
    const struct gw_cidr_set *proxy_from; /* lives in the configuration of the commit */
    struct gw_tls_server *tls;            /* one reference; NULL: plain */
    uint64_t handshake_timeout_us;
};

/* What every worker gets at a commit: shares[worker * count + i]. Owned by the caller,
 * gw_port_plan_deinit(). */
struct gw_port_plan {
    struct gw_port_share *shares;
    unsigned count, workers;
};

/* Closes what was not taken. */
void gw_port_share_deinit(struct gw_port_share *share);

/* Compares the configuration's listeners with what is open and binds what is new. False, with
 * nothing changed and a text for the operator in `why`, when one cannot be bound. */
bool gw_port_plan_make(struct gw_port_plan *plan, struct gw_ports *ports,
                       const struct gw_config *config, unsigned workers, char *why,
                       size_t why_size);

/* The commit happens: what is not wanted any more counts as closed (the workers close it). */
void gw_port_plan_commit(struct gw_port_plan *plan, struct gw_ports *ports);

/* Nothing comes of it: as if it had not been made. */
void gw_port_plan_undo(struct gw_port_plan *plan, struct gw_ports *ports);

/* Closes descriptors that were not handed over (fd set to -1 by who took it). */
void gw_port_plan_deinit(struct gw_port_plan *plan);
