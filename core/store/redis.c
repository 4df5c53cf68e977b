#include "store/redis.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "store/redis_link.h"

/* A server and the connections of this loop to it. */
struct client {
    struct gw_list_node node; /* in the hub */
    struct gw_redis_hub *hub;
    struct gw_redis_server *server;
    uint64_t used_us;
    struct gw_timer timer; /* looks whether anybody uses it */
    unsigned count;
    struct gw_redis_link *links[]; /* pool_size places */
};

struct gw_redis_hub {
    struct gw_loop *loop;
    struct gw_list clients;
    struct gw_redis_numbers numbers;
};

const char *gw_redis_end_text(enum gw_redis_end end)
{
    static const char *const texts[] = {
#define X(name, text) text,
        GW_REDIS_ENDS(X)
#undef X
    };

    return texts[end];
}

/* ── servers ── */

static void free_client(struct client *client)
{
    gw_timer_stop(&client->timer);
    gw_list_remove(&client->node);
    for (unsigned i = 0; i < client->count; i++)
        gw_redis_link_free(client->links[i]);
    gw_redis_server_unref(client->server);
    gw_free(client);
}

static bool is_idle(const struct client *client)
{
    uint64_t now_us = client->hub->loop->clock.now_us;

    for (unsigned i = 0; i < client->count; i++)
        if (gw_redis_link_waiting(client->links[i]))
            return false;
    return now_us - client->used_us >= client->server->options.idle_us;
}

static void on_look(struct gw_timer *timer)
{
    struct client *client = container_of(timer, struct client, timer);

    if (is_idle(client))
        free_client(client);
    else
        gw_timer_start(client->hub->loop, timer, client->server->options.idle_us, on_look);
}

static struct client *client_of(struct gw_redis_hub *hub, struct gw_redis_server *server)
{
    GW_LIST_EACH(&hub->clients, node) {
        struct client *client = container_of(node, struct client, node);

        if (gw_redis_server_equal(client->server, server))
            return client;
    }

    struct client *client =
        gw_alloc_zero(sizeof(*client) + server->options.pool_size * sizeof(client->links[0]));

    client->hub = hub;
    client->server = gw_redis_server_ref(server);
    gw_list_append(&hub->clients, &client->node);
    gw_timer_start(hub->loop, &client->timer, server->options.idle_us, on_look);
    return client;
}

static struct gw_redis_link *add_link(struct client *client)
{
    struct gw_redis_hub *hub = client->hub;

    client->links[client->count] = gw_redis_link_new(hub->loop, client->server, &hub->numbers);
    return client->links[client->count++];
}

static bool is_better(const struct gw_redis_link *link, const struct gw_redis_link *best)
{
    if (gw_redis_link_fails(link) != gw_redis_link_fails(best))
        return gw_redis_link_fails(best);
    return gw_redis_link_waiting(link) < gw_redis_link_waiting(best);
}

/* The one on which the fewest wait; another one is made when all are in use and there may be one.
 */
static struct gw_redis_link *choose(struct client *client)
{
    struct gw_redis_link *best = NULL;

    for (unsigned i = 0; i < client->count; i++)
        if (!best || is_better(client->links[i], best))
            best = client->links[i];
    if (!best || (client->count < client->server->options.pool_size &&
                  gw_redis_link_waiting(best) && gw_redis_link_ready(best)))
        return add_link(client);
    return best;
}

/* ── jobs ── */

static void on_refused(struct gw_defer *defer)
{
    struct gw_redis_job *job = container_of(defer, struct gw_redis_job, defer);

    job->done(job->ctx, job);
}

static void on_job_late(struct gw_timer *timer)
{
    struct gw_redis_job *job = container_of(timer, struct gw_redis_job, timer);

    job->end = GW_REDIS_TIMEOUT;
    job->ended = true;
    job->numbers->failures++;
    gw_redis_link_note_timeout(job->link, job);

    bool withdrawn = gw_redis_link_withdraw(job->link, job);

    if (job->done)
        job->done(job->ctx, job);
    else if (withdrawn)
        gw_redis_job_free(job);
}

static struct gw_redis_job *new_job(struct gw_redis_hub *hub,
                                    const struct gw_redis_request *request, gw_redis_cb done,
                                    void *ctx)
{
    struct gw_redis_job *job = gw_alloc_zero(sizeof(*job));

    job->arena = gw_arena_new();
    job->count = request->count;
    job->values = gw_arena_alloc_zero(job->arena, request->count * sizeof(struct gw_redis_value *));
    job->done = done;
    job->ctx = ctx;
    job->numbers = &hub->numbers;
    return job;
}

static void refuse(struct gw_redis_hub *hub, struct gw_redis_job *job, enum gw_redis_end why)
{
    hub->numbers.failures++;
    job->end = why;
    job->ended = true;
    if (job->done)
        gw_loop_defer(hub->loop, &job->defer, on_refused);
    else
        gw_redis_job_free(job);
}

struct gw_redis_job *gw_redis_send(struct gw_redis_hub *hub, struct gw_redis_server *server,
                                   const struct gw_redis_request *request, gw_redis_cb done,
                                   void *ctx)
{
    struct client *client = client_of(hub, server);
    struct gw_redis_link *link = choose(client);
    struct gw_redis_job *job = new_job(hub, request, done, ctx);
    uint64_t timeout_us = request->timeout_us ? request->timeout_us : server->options.timeout_us;
    enum gw_redis_end why = gw_redis_link_look(link, request->bytes.len);

    client->used_us = hub->loop->clock.now_us;
    hub->numbers.commands += request->count;
    if (why) {
        refuse(hub, job, why);
        return done ? job : NULL;
    }
    job->due_us = hub->loop->clock.now_us + timeout_us;
    gw_timer_start(hub->loop, &job->timer, timeout_us, on_job_late);
    gw_redis_link_take(link, job, request->bytes);
    return done ? job : NULL;
}

void gw_redis_job_free(struct gw_redis_job *job)
{
    gw_timer_stop(&job->timer);
    gw_defer_cancel(&job->defer);
    job->done = NULL;
    if (job->link && !gw_redis_link_withdraw(job->link, job))
        return; /* the link frees it when its replies came */
    gw_arena_free(job->arena);
    gw_free(job);
}

enum gw_redis_end gw_redis_job_end(const struct gw_redis_job *job)
{
    return job->end;
}

struct gw_redis_value *const *gw_redis_job_values(const struct gw_redis_job *job)
{
    return job->values;
}

unsigned gw_redis_job_count(const struct gw_redis_job *job)
{
    return job->count;
}

/* ── life ── */

struct gw_redis_hub *gw_redis_hub_new(struct gw_loop *loop)
{
    struct gw_redis_hub *hub = gw_alloc_zero(sizeof(*hub));

    hub->loop = loop;
    gw_list_init(&hub->clients);
    return hub;
}

void gw_redis_hub_free(struct gw_redis_hub *hub)
{
    struct gw_list_node *node;

    while ((node = gw_list_first(&hub->clients)))
        free_client(container_of(node, struct client, node));
    gw_free(hub);
}

struct gw_redis_numbers gw_redis_hub_numbers(const struct gw_redis_hub *hub)
{
    struct gw_redis_numbers numbers = hub->numbers;

    numbers.waiting = 0;
    GW_LIST_EACH(&hub->clients, node) {
        struct client *client = container_of(node, struct client, node);

        for (unsigned i = 0; i < client->count; i++)
            numbers.waiting += gw_redis_link_waiting(client->links[i]);
    }
    return numbers;
}
