#pragma once
/* A client's connection as the front sees it, from accept to close: it may wait in the lobby,
 * shake hands for TLS (visitor_tls.c), say which HTTP it speaks (greeting.h), then speaks it, and
 * rests when it has been idle. One of these at a time; visitor.c leads it from one to the next. */
#include "http/session.h"
#include "net/listener.h"
#include "net/tls_server.h"
#include "server/front.h"
#include "server/rest.h"

/* One port as this worker listens on it. */
struct gw_door {
    struct gw_list_node node;
    struct gw_front *front;
    struct gw_port *port;
    struct gw_listener *listener;
    struct gw_listener **more; /* sockets that others had before */
    unsigned more_count;
    struct gw_limits limits;
    const struct gw_cidr_set *proxy_from; /* of the current generation; NULL: nobody */
    struct gw_tls_server *tls;            /* the same, one reference; NULL: plain */
    uint64_t handshake_timeout_us;
    bool http2;  /* without TLS: clients may begin with it */
    int index;   /* of the listener in the current generation */
    bool wanted; /* by the commit being taken */
};

struct gw_hands; /* a handshake under way, and what held when it came in */

struct gw_visitor {
    struct gw_list_node node; /* in front->visitors */
    struct gw_front *front;
    struct gw_port *port;
    struct gw_door *door; /* NULL once it is closed */
    struct gw_session *http;
    struct gw_guest *guest;         /* while it must say whom it brings, in the place of http */
    struct gw_hands *hands;         /* while it shakes them for TLS, in the place of http */
    bool is_tls, was_tls;           /* speaks it; came in where it is spoken */
    struct gw_greeting *greeting;   /* until it has said what it speaks, in the place of http */
    struct gw_limits *greeted_with; /* what held when it came in; NULL without greeting */
    struct gw_client_count *client; /* NULL: not counted by client */
    bool counted;                   /* among the port's connections */
    struct gw_rest rest;            /* in the place of http, when it has been idle for a while */
};

/* --- for the front --- */

/* The connection is owned by the visitor, which frees itself when it has ended. */
void gw_visitor_enter(struct gw_door *door, struct gw_conn *conn);

/* Its port is gone when this returns, and maybe the visitor, too: it finishes what it is in. */
void gw_visitor_drain(struct gw_visitor *visitor);

/* Ends it now; what ran on it was aborted before. */
void gw_visitor_close(struct gw_visitor *visitor);

/* --- among its own files --- */

/* The connection is closed, or somebody else's. */
void gw_visitor_free(struct gw_visitor *visitor);

void gw_visitor_close_greeting(struct gw_visitor *visitor);

/* The connection speaks HTTP from here on: cleartext, or TLS once visitor->is_tls says so. */
void gw_visitor_begin_http(struct gw_visitor *visitor, struct gw_conn *conn,
                           const struct gw_limits *limits, bool is_h2);

/* One too many, or one that must not be served: it is answered like everything that is refused, but
 * takes nobody's place. */
void gw_visitor_turn_away(struct gw_visitor *visitor, enum gw_error why);

/* visitor_tls.c: shakes hands, then begins HTTP. `came` was read before, borrowed for the call.
 * One that is refused (`error`) costs us no handshake: it is closed as it is, with a line in the
 * log. */
void gw_visitor_begin_tls(struct gw_visitor *visitor, struct gw_conn *conn,
                          const struct gw_limits *limits, struct gw_slice came,
                          enum gw_error error);
void gw_visitor_hurry_hands(struct gw_visitor *visitor);
uint64_t gw_visitor_hands_since(const struct gw_visitor *visitor);
void gw_visitor_close_hands(struct gw_visitor *visitor); /* and its connection */

/* visitor_shed.c: offers those that only wait, when descriptors run out. `giver` is a front's. */
void gw_visitors_offer_waiting(struct gw_relief_giver *giver, struct gw_relief *relief);
