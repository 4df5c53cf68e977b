#include "upstream/health_events.h"

#include "base/alloc.h"
#include "upstream/registry_private.h"

#define EVENTS_MAX 256 /* that control has not taken yet */

struct entry {
    struct gw_list_node node;
    struct gw_health_event event;
};

static void copy_text(char *to, size_t room, struct gw_slice text)
{
    size_t len = text.len < room - 1 ? text.len : room - 1;

    if (len)
        memcpy(to, text.ptr, len);
    to[len] = '\0';
}

static void deliver_all(struct gw_health_events *events)
{
    struct gw_list_node *node;

    pthread_mutex_lock(&events->lock);
    events->posted = false;
    while ((node = gw_list_first(&events->entries))) {
        struct entry *entry = container_of(node, struct entry, node);

        gw_list_remove(node);
        events->count--;
        pthread_mutex_unlock(&events->lock);
        if (events->on_event)
            events->on_event(events->ctx, &entry->event);
        gw_free(entry);
        pthread_mutex_lock(&events->lock);
    }
    pthread_mutex_unlock(&events->lock);
    if (events->on_moved)
        events->on_moved(events->moved_ctx);
}

static void on_message(struct gw_message *message, struct gw_loop *loop)
{
    struct gw_health_events *events = container_of(message, struct gw_health_events, message);
    bool ours;

    pthread_mutex_lock(&events->lock);
    ours = events->loop == loop;
    if (!ours)
        events->posted = false;
    pthread_mutex_unlock(&events->lock);
    if (ours)
        deliver_all(events);
}

static void queue(struct gw_health_events *events, const struct gw_health_event *event)
{
    pthread_mutex_lock(&events->lock);
    if (!events->loop || events->count >= EVENTS_MAX) {
        events->lost += events->loop != NULL;
        pthread_mutex_unlock(&events->lock);
        return;
    }
    struct entry *entry = gw_alloc_zero(sizeof(*entry));

    entry->event = *event;
    gw_list_append(&events->entries, &entry->node);
    events->count++;
    if (!events->posted) {
        events->posted = true;
        events->message = (struct gw_message){ .deliver = on_message };
        gw_loop_post(events->loop, &events->message);
    }
    pthread_mutex_unlock(&events->lock);
}

void gw_health_event_tell(struct gw_upstream *upstream, const struct gw_target *target,
                          const struct gw_health_event *event)
{
    struct gw_health_event whole = *event;

    copy_text(whole.name, sizeof(whole.name), gw_upstream_name(upstream));
    copy_text(whole.target, sizeof(whole.target), target->authority);
    copy_text(whole.address, sizeof(whole.address), target->text);
    queue(&upstream->registry->events, &whole);
}

void gw_breaker_event_tell(struct gw_registry *registry, struct gw_slice service,
                           const struct gw_health_event *event)
{
    struct gw_health_event whole = *event;

    copy_text(whole.name, sizeof(whole.name), service);
    queue(&registry->events, &whole);
}

void gw_registry_listen(struct gw_registry *registry,
                        void (*on_event)(void *ctx, const struct gw_health_event *event), void *ctx)
{
    registry->events.on_event = on_event;
    registry->events.ctx = ctx;
}

/* ── the beginning and the end ─────────────────────────────────────────────── */

void gw_health_events_init(struct gw_health_events *events)
{
    pthread_mutex_init(&events->lock, NULL);
    gw_list_init(&events->entries);
}

void gw_health_events_open(struct gw_health_events *events, struct gw_loop *loop)
{
    pthread_mutex_lock(&events->lock);
    events->loop = loop;
    pthread_mutex_unlock(&events->lock);
}

void gw_health_events_deinit(struct gw_health_events *events)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&events->entries))) {
        gw_list_remove(node);
        gw_free(container_of(node, struct entry, node));
    }
    pthread_mutex_destroy(&events->lock);
}
