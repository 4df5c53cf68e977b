#pragma once
/* Messages from other threads to one loop: a lock-free list that many push to and the loop takes
 * whole, so that a batch costs one wake-up. */
#include "net/loop.h"

struct gw_mailbox;

struct gw_mailbox *gw_mailbox_new(struct gw_loop *loop);

/* Nobody may post any more, what was posted is delivered. Frees itself in the close callback. */
void gw_mailbox_close(struct gw_mailbox *mailbox);

/* For uv_ref() and uv_unref(). */
uv_handle_t *gw_mailbox_handle(struct gw_mailbox *mailbox);

/* From any thread. */
void gw_mailbox_post(struct gw_mailbox *mailbox, struct gw_message *message);
