#pragma once
/* What a loop does when descriptors run out: of all idle connections on it the oldest are closed,
 * whoever holds them. *Givers* (the front for clients, the pool for services) offer what they could
 * do without; nobody pays anything before that. */
#include "net/loop.h"

struct gw_relief;
struct gw_relief_giver;

/* Lives in the struct it serves. */
struct gw_relief_giver {
    struct gw_list_node node;
    void (*offer)(struct gw_relief_giver *giver, struct gw_relief *relief);
};

void gw_relief_join(struct gw_loop *loop, struct gw_relief_giver *giver);
void gw_relief_leave(struct gw_relief_giver *giver);

/* From offer(): `owner` is idle since then. close() may be called before gw_loop_relieve() returns
 * and may free the owner; it frees the descriptor at once (or soon, when it still has something to
 * say), or returns false, because it is not idle any more. */
void gw_relief_offer(struct gw_relief *relief, uint64_t since_us, bool (*close)(void *owner),
                     void *owner);

/* Descriptors ran out: closes the oldest idle ones (an eighth, at least one) and what lingers only
 * for its last answer to be read. Returns how many. Says so in the log, once a second. */
unsigned gw_loop_relieve(struct gw_loop *loop);

/* For a loop that has little to give: `ask` has others relieve theirs. Called when a listener finds
 * nothing here; it tries again a moment later instead of hanging up. */
void gw_relief_ask_others(struct gw_loop *loop, void (*ask)(void *ctx), void *ctx);

/* How many it closed so far; from any thread. */
uint64_t gw_loop_relieved(const struct gw_loop *loop);
