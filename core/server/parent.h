#pragma once
/* The supervisor as the worker process sees it: sockets come from it, it says when to end, and when
 * it is gone nobody will start us again. */
#include "net/loop.h"
#include "net/socket_source.h"

struct gw_parent;

struct gw_parent_events {
    void (*on_stop)(void *ctx);   /* like SIGTERM */
    void (*on_retire)(void *ctx); /* another process serves */
    void (*on_gone)(void *ctx);
};

/* Whether a supervisor started this process, with the channel to it in the environment. */
bool gw_parent_exists(void);

/* Takes the channel; the environment does not name it afterwards. NULL when there is none. */
struct gw_parent *gw_parent_open(struct gw_loop *loop, const struct gw_parent_events *events,
                                 void *ctx);

/* Before the loop ends; NULL is fine. The sockets' source must be gone before gw_parent_free(). */
void gw_parent_close(struct gw_parent *parent);
void gw_parent_free(struct gw_parent *parent);

/* A source that asks the supervisor; owned by the caller. */
struct gw_socket_source *gw_parent_sockets(struct gw_parent *parent);

/* How many worker processes were replaced before this one; 0 without a supervisor. */
unsigned gw_parent_restarts(const struct gw_parent *parent);

/* Tells how we are; NULL is fine, then nobody hears it. `text` is for the operator. */
void gw_parent_say_ready(struct gw_parent *parent, const char *text);
void gw_parent_say_reloading(struct gw_parent *parent);
void gw_parent_say_leaving(struct gw_parent *parent);
