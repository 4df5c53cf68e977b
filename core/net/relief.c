#include "net/relief.h"

#include "base/check.h"
#include "base/log.h"
#include "net/conn_private.h"

/* At most so many at once, so that a burst does not cost everybody their connection. */
#define MOST 128
#define SHARE 8 /* one in so many */
#define LOG_EVERY_US 1000000

struct pick {
    uint64_t since_us;
    bool (*close)(void *owner);
    void *owner;
};

/* The oldest that were offered, as a heap with the youngest of them on top. */
struct gw_relief {
    unsigned offered, count;
    struct pick picks[MOST];
};

void gw_relief_join(struct gw_loop *loop, struct gw_relief_giver *giver)
{
    gw_list_append(&loop->relief.givers, &giver->node);
}

void gw_relief_leave(struct gw_relief_giver *giver)
{
    gw_list_remove(&giver->node);
}

/* ── the heap ── */

static void swap(struct pick *a, struct pick *b)
{
    struct pick kept = *a;

    *a = *b;
    *b = kept;
}

static void sift_up(struct pick *picks, unsigned at)
{
    for (; at && picks[(at - 1) / 2].since_us < picks[at].since_us; at = (at - 1) / 2)
        swap(&picks[(at - 1) / 2], &picks[at]);
}

static void sift_down(struct pick *picks, unsigned count)
{
    for (unsigned at = 0, child = 1; child < count; child = 2 * at + 1) {
        if (child + 1 < count && picks[child + 1].since_us > picks[child].since_us)
            child++;
        if (picks[child].since_us <= picks[at].since_us)
            return;
        swap(&picks[child], &picks[at]);
        at = child;
    }
}

static void drop_youngest(struct gw_relief *relief)
{
    relief->picks[0] = relief->picks[--relief->count];
    sift_down(relief->picks, relief->count);
}

void gw_relief_offer(struct gw_relief *relief, uint64_t since_us, bool (*close)(void *owner),
                     void *owner)
{
    relief->offered++;
    if (relief->count == MOST) {
        if (relief->picks[0].since_us <= since_us)
            return;
        drop_youngest(relief);
    }
    relief->picks[relief->count] = (struct pick){ since_us, close, owner };
    sift_up(relief->picks, relief->count++);
}

/* ── relief ── */

static unsigned close_oldest(struct gw_loop *loop)
{
    struct gw_relief relief = { 0 };
    unsigned closed = 0;

    GW_LIST_EACH(&loop->relief.givers, node) {
        struct gw_relief_giver *giver = container_of(node, struct gw_relief_giver, node);

        giver->offer(giver, &relief);
    }
    while (relief.count > relief.offered / SHARE + 1)
        drop_youngest(&relief);
    for (unsigned i = 0; i < relief.count; i++)
        closed += relief.picks[i].close(relief.picks[i].owner);
    return closed;
}

static void tell(struct gw_loop *loop, unsigned closed)
{
    uint64_t now_us = loop->clock.now_us;

    loop->relief.untold += closed;
    if (now_us < loop->relief.next_log_us)
        return;
    gw_warn("out of file descriptors: %u idle connections closed, the oldest first (raise the "
            "limit of open files: LimitNOFILE= or ulimit -n)",
            loop->relief.untold);
    loop->relief.untold = 0;
    loop->relief.next_log_us = now_us + LOG_EVERY_US;
}

unsigned gw_loop_relieve(struct gw_loop *loop)
{
    unsigned closed = close_oldest(loop) + gw_conn_cut_lingering(loop);

    if (closed == 0)
        return 0;
    atomic_fetch_add_explicit(&loop->relief.closed, closed, memory_order_relaxed);
    tell(loop, closed);
    return closed;
}

void gw_relief_ask_others(struct gw_loop *loop, void (*ask)(void *ctx), void *ctx)
{
    loop->relief.ask = ask;
    loop->relief.ctx = ctx;
}

uint64_t gw_loop_relieved(const struct gw_loop *loop)
{
    return atomic_load_explicit(&loop->relief.closed, memory_order_relaxed);
}
