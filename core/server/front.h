#pragma once
/* A worker's face to the clients: the ports it listens on and the connections that came in through
 * them. */
#include "base/list.h"
#include "net/loop.h"
#include "net/relief.h"
#include "proxy/proxy.h"
#include "server/lobby.h"
#include "server/port.h"

struct gw_front {
    struct gw_loop *loop;
    struct gw_proxy *proxy;  /* gets the requests */
    bool retires;            /* gw_front_retire() */
    struct gw_list doors;    /* server/visitor.h */
    struct gw_list visitors; /* server/visitor.h */
    struct gw_lobby lobby;
    struct gw_relief_giver giver; /* of those that wait */
};

void gw_front_init(struct gw_front *front, struct gw_loop *loop, struct gw_proxy *proxy);

/* Opens the shares that bring a descriptor (and takes it), updates the limits of those that do not,
 * closes every port that is not among them; who is connected through such a port finishes the
 * request it is in and no more. */
void gw_front_arrange(struct gw_front *front, struct gw_port_share *shares, unsigned count);

/* Closes every port; connections end after the request they are in. */
void gw_front_drain(struct gw_front *front);

/* The same for a process that has a successor on the same sockets: who is connected may send one
 * more request. */
void gw_front_retire(struct gw_front *front);

/* Ends every connection now; what runs on them was aborted before. */
void gw_front_close(struct gw_front *front);

bool gw_front_empty(const struct gw_front *front); /* no connection is left */
