#include "upstream/line.h"

#include "base/alloc.h"
#include "base/check.h"

struct gw_line_wait {
    struct gw_message message; /* on its way while `called`, and until it was delivered */
    struct gw_list_node node;  /* linked while not called */
    struct gw_line *line;
    struct gw_loop *loop;
    bool called, posted;        /* under the lock; posted: the message is not delivered yet */
    void (*on_call)(void *ctx); /* on the loop's thread; NULL: nobody wants to hear it any more */
    void *ctx;
};

void gw_line_init(struct gw_line *line)
{
    pthread_mutex_init(&line->lock, NULL);
    gw_list_init(&line->waits);
}

void gw_line_deinit(struct gw_line *line)
{
    GW_ASSERT(gw_list_empty(&line->waits) && atomic_load(&line->active) == 0);
    pthread_mutex_destroy(&line->lock);
}

/* ── calling, with the lock held ───────────────────────────────────────────── */

static void on_message(struct gw_message *message, struct gw_loop *loop)
{
    struct gw_line_wait *wait = container_of(message, struct gw_line_wait, message);

    (void)loop;
    if (!wait->on_call) {
        gw_free(wait);
        return;
    }
    wait->posted = false;
    wait->on_call(wait->ctx);
}

static void call_first(struct gw_line *line)
{
    struct gw_list_node *node = gw_list_first(&line->waits);

    atomic_fetch_add(&line->changes, 1);
    if (!node) /* who is about to get in line sees it */
        return;

    struct gw_line_wait *wait = container_of(node, struct gw_line_wait, node);

    gw_list_remove(node);
    wait->called = wait->posted = true;
    wait->message.deliver = on_message;
    gw_loop_post(wait->loop, &wait->message);
}

/* Something changed between looking for a place and getting in line: whoever changed it found
 * nobody to call. */
static void call_if_missed(struct gw_line *line, unsigned look)
{
    if (atomic_load(&line->changes) != look)
        call_first(line);
}

/* ── places ────────────────────────────────────────────────────────────────── */

bool gw_line_enter(struct gw_line *line, unsigned most, bool called)
{
    unsigned active = atomic_load(&line->active);

    if (!called && atomic_load(&line->waiting))
        return false;
    do {
        if (most && active >= most)
            return false;
    } while (!atomic_compare_exchange_weak(&line->active, &active, active + 1));
    return true;
}

void gw_line_leave(struct gw_line *line)
{
    atomic_fetch_sub(&line->active, 1);
    atomic_fetch_add(&line->changes, 1);
    if (!atomic_load(&line->waiting))
        return;
    pthread_mutex_lock(&line->lock);
    call_first(line);
    pthread_mutex_unlock(&line->lock);
}

void gw_line_undo(struct gw_line *line)
{
    atomic_fetch_sub(&line->active, 1);
}

/* ── waiting ───────────────────────────────────────────────────────────────── */

struct gw_line_wait *gw_line_wait(struct gw_line *line, unsigned most, unsigned look,
                                  struct gw_loop *loop, void (*on_call)(void *ctx), void *ctx)
{
    struct gw_line_wait *wait = NULL;

    pthread_mutex_lock(&line->lock);
    if (atomic_load(&line->waiting) < most) {
        wait = gw_alloc_zero(sizeof(*wait));
        wait->line = line;
        wait->loop = loop;
        wait->on_call = on_call;
        wait->ctx = ctx;
        gw_list_append(&line->waits, &wait->node);
        atomic_fetch_add(&line->waiting, 1);
        call_if_missed(line, look);
    }
    pthread_mutex_unlock(&line->lock);
    if (!wait)
        atomic_fetch_add_explicit(&line->full, 1, memory_order_relaxed);
    return wait;
}

void gw_line_again(struct gw_line_wait *wait, unsigned look)
{
    struct gw_line *line = wait->line;

    GW_ASSERT(wait->called && !wait->posted);
    pthread_mutex_lock(&line->lock);
    wait->called = false;
    gw_list_prepend(&line->waits, &wait->node);
    call_if_missed(line, look);
    pthread_mutex_unlock(&line->lock);
}

void gw_line_done(struct gw_line_wait *wait, bool more)
{
    struct gw_line *line = wait->line;

    GW_ASSERT(wait->called && !wait->posted);
    pthread_mutex_lock(&line->lock);
    atomic_fetch_sub(&line->waiting, 1);
    atomic_fetch_add(&line->changes, 1);
    if (more)
        call_first(line);
    pthread_mutex_unlock(&line->lock);
    gw_free(wait);
}

void gw_line_cancel(struct gw_line_wait *wait)
{
    struct gw_line *line = wait->line;

    pthread_mutex_lock(&line->lock);
    atomic_fetch_sub(&line->waiting, 1);
    if (wait->called) /* the place it was called for is somebody else's */
        call_first(line);
    else
        gw_list_remove(&wait->node);
    atomic_fetch_add(&line->changes, 1); /* nobody may wait any more */

    bool is_mine = !wait->posted;

    pthread_mutex_unlock(&line->lock);
    wait->on_call = NULL;
    if (is_mine)
        gw_free(wait);
}
