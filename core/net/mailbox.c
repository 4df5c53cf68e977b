#include "net/mailbox.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/log.h"

struct gw_mailbox {
    _Atomic(struct gw_message *) newest; /* pushed in front; NULL: empty, so the next one wakes */
    struct gw_loop *loop;
    uv_async_t wake;
};

static void deliver_all(struct gw_mailbox *mailbox)
{
    struct gw_message *newest =
        atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct gw_message *oldest = NULL;

    while (newest) { /* turn it round: first sent, first delivered */
        struct gw_message *next = newest->next;

        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct gw_message *next = oldest->next; /* deliver() may free it */

        oldest->deliver(oldest, mailbox->loop);
        oldest = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    struct gw_mailbox *mailbox = container_of(wake, struct gw_mailbox, wake);

    gw_loop_woke(mailbox->loop);
    deliver_all(mailbox);
}

struct gw_mailbox *gw_mailbox_new(struct gw_loop *loop)
{
    struct gw_mailbox *mailbox = gw_alloc_zero(sizeof(*mailbox));

    mailbox->loop = loop;
    int error = GW_FAULT_UV(MAILBOX, uv_async_init(&loop->uv, &mailbox->wake, on_wake));

    if (error)
        gw_fatal("cannot make what wakes an event loop: %s (raise the limit of open files: "
                 "LimitNOFILE= or ulimit -n)",
                 uv_strerror(error));
    return mailbox;
}

static void on_close(uv_handle_t *handle)
{
    gw_free(container_of((uv_async_t *)handle, struct gw_mailbox, wake));
}

void gw_mailbox_close(struct gw_mailbox *mailbox)
{
    GW_ASSERT(!atomic_load_explicit(&mailbox->newest, memory_order_acquire));
    uv_close((uv_handle_t *)&mailbox->wake, on_close);
}

uv_handle_t *gw_mailbox_handle(struct gw_mailbox *mailbox)
{
    return (uv_handle_t *)&mailbox->wake;
}

void gw_mailbox_post(struct gw_mailbox *mailbox, struct gw_message *message)
{
    struct gw_message *newest = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);

    do
        message->next = newest;
    while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &newest, message,
                                                  memory_order_release, memory_order_relaxed));
    if (!newest)
        uv_async_send(&mailbox->wake);
}
