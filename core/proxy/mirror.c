#include "proxy/mirror.h"

#include "base/alloc.h"
#include "net/loop.h"
#include "proxy/flight.h"

#define MARK "x-moongate-mirror" /* names the route */

/* First it collects, then it is sent and belongs to nobody but the proxy's list. */
struct gw_mirror {
    struct gw_list_node node; /* in proxy->mirrors */
    struct gw_proxy *proxy;
    struct gw_config *config; /* one reference: the service and the upstream stand in it */
    const struct gw_mirror_config *rules;
    struct gw_flight *flight; /* while it collects */
    struct gw_arena *arena;
    struct gw_head *head;
    struct gw_buf body;
    struct gw_slice correlation_id;
    struct gw_stream *call; /* NULL: not sent yet */
    struct gw_timer deadline;
    struct gw_defer later;
};

static void count(struct gw_proxy *proxy, const struct gw_mirror_config *rules,
                  struct gw_slice outcome)
{
    gw_count_mirror(&proxy->counters, rules->service->name, outcome);
}

static void free_mirror(struct gw_mirror *mirror)
{
    if (mirror->flight)
        mirror->flight->to_service.mirror = NULL;
    gw_list_remove(&mirror->node);
    mirror->proxy->mirror_count--;
    gw_defer_cancel(&mirror->later);
    gw_timer_stop(&mirror->deadline);
    if (mirror->call)
        gw_stream_close(mirror->call, GW_E_CANCELLED);
    gw_buf_deinit(&mirror->body);
    gw_config_unref(mirror->config);
    gw_arena_free(mirror->arena);
    gw_free(mirror);
}

/* ── what the service answers ──────────────────────────────────────────────── */

static void free_now(struct gw_defer *defer)
{
    free_mirror(container_of(defer, struct gw_mirror, later));
}

/* Not at once: the stream whose event brought us here stands in the arena. */
static void end(struct gw_mirror *mirror, struct gw_slice outcome, enum gw_error why)
{
    struct gw_stream *call = mirror->call;

    mirror->call = NULL;
    gw_timer_stop(&mirror->deadline);
    gw_stream_close(call, why);
    count(mirror->proxy, mirror->rules, outcome);
    gw_loop_defer(mirror->proxy->options.loop, &mirror->later, free_now);
}

static void on_head(void *owner, struct gw_head *head, bool ends)
{
    if (head->status == 101)
        end(owner, gw_slice_from(gw_error_info(GW_E_UPSTREAM_PROTOCOL)->reason),
            GW_E_UPSTREAM_PROTOCOL);
    else if (ends)
        end(owner, GW_SLICE("answered"), GW_OK);
}

static void on_body(void *owner, struct gw_slice bytes, bool ends)
{
    (void)bytes;
    if (ends)
        end(owner, GW_SLICE("answered"), GW_OK);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    end(owner, GW_SLICE("answered"), GW_OK);
}

static void on_room(void *owner)
{
    (void)owner; /* the body was given whole */
}

static void on_end(void *owner, enum gw_error why)
{
    end(owner, gw_slice_from(gw_error_info(why)->reason), why);
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static void on_deadline(struct gw_timer *timer)
{
    end(container_of(timer, struct gw_mirror, deadline), GW_SLICE("timeout"), GW_E_TOTAL_TIMEOUT);
}

/* ── sending ───────────────────────────────────────────────────────────────── */

static void send_now(struct gw_defer *defer)
{
    struct gw_mirror *mirror = container_of(defer, struct gw_mirror, later);
    struct gw_loop *loop = mirror->proxy->options.loop;
    bool has_body = mirror->head->body_length != GW_BODY_NONE;
    struct gw_call_options options = {
        .loop = loop,
        .pool = mirror->proxy->options.pool,
        .arena = mirror->arena,
        .service = mirror->rules->service,
        .retries = -1,
        .authority_of_target = true,
        .correlation_id = mirror->correlation_id,
        .has_body = true,
        .body = gw_buf_slice(&mirror->body),
    };

    mirror->head->body_length = has_body ? (int64_t)mirror->body.len : GW_BODY_NONE;
    mirror->call = gw_call_open(&options);
    gw_stream_bind(mirror->call, &events, mirror);
    gw_timer_start(loop, &mirror->deadline, mirror->rules->timeout_us, on_deadline);
    gw_stream_send_head(mirror->call, mirror->head, true);
}

/* After the turn in which the original moved. */
static void send_later(struct gw_mirror *mirror)
{
    if (mirror->flight)
        mirror->flight->to_service.mirror = NULL;
    mirror->flight = NULL;
    gw_loop_defer(mirror->proxy->options.loop, &mirror->later, send_now);
}

/* ── collecting ────────────────────────────────────────────────────────────── */

/* How many of those on their way go by the same rules, which a reload may have made anew. */
static unsigned running(const struct gw_proxy *proxy, const struct gw_mirror_config *rules)
{
    unsigned found = 0;

    if (proxy->mirror_count < rules->max_concurrent) /* so it is no matter whose they are */
        return proxy->mirror_count;
    GW_LIST_EACH(&proxy->mirrors, node) {
        const struct gw_mirror *mirror = container_of(node, struct gw_mirror, node);

        found += gw_slice_equal(mirror->rules->service->name, rules->service->name);
    }
    return found;
}

static bool is_drawn(const struct gw_flight *flight, const struct gw_mirror_config *rules)
{
    return rules->share_ppm >= 1000000 ||
           gw_random_below(&flight->x.loop->random, 1000000) < rules->share_ppm;
}

static struct gw_mirror *new_mirror(struct gw_flight *flight, const struct gw_mirror_config *rules,
                                    const struct gw_head *head)
{
    struct gw_exchange *x = &flight->x;
    struct gw_mirror *mirror = gw_alloc_zero(sizeof(*mirror));

    mirror->proxy = x->proxy;
    mirror->config = gw_config_ref(x->config);
    mirror->rules = rules;
    mirror->arena = gw_arena_new();
    mirror->head = gw_head_copy(head, mirror->arena);
    mirror->head->scheme = rules->service->scheme;
    mirror->head->authority = rules->service->authority;
    mirror->head->expect_continue = false;
    gw_fields_set(&mirror->head->fields, mirror->arena, GW_SLICE(MARK), x->route->name);
    mirror->correlation_id = gw_arena_copy(mirror->arena, x->correlation_id);
    gw_buf_init(&mirror->body, rules->max_body);
    gw_list_append(&x->proxy->mirrors, &mirror->node);
    x->proxy->mirror_count++;
    return mirror;
}

void gw_mirror_begin(struct gw_flight *flight, const struct gw_head *head, bool whole,
                     struct gw_slice body)
{
    const struct gw_mirror_config *rules = flight->x.route ? flight->x.route->mirror : NULL;
    int64_t length = whole ? (int64_t)body.len : head->body_length;

    if (!rules || head->protocol.len || !is_drawn(flight, rules))
        return;
    if (length > (int64_t)rules->max_body) {
        count(flight->x.proxy, rules, GW_SLICE("too_large"));
        return;
    }
    if (running(flight->x.proxy, rules) >= rules->max_concurrent) {
        count(flight->x.proxy, rules, GW_SLICE("too_many"));
        return;
    }
    struct gw_mirror *mirror = new_mirror(flight, rules, head);

    if (whole) {
        gw_buf_append(&mirror->body, body);
        send_later(mirror);
        return;
    }
    mirror->flight = flight;
    flight->to_service.mirror = mirror;
}

void gw_mirror_take(struct gw_mirror *mirror, struct gw_slice bytes, bool ends)
{
    if (!mirror)
        return;
    if (!gw_buf_append(&mirror->body, bytes)) {
        count(mirror->proxy, mirror->rules, GW_SLICE("too_large"));
        free_mirror(mirror);
    } else if (ends) {
        send_later(mirror);
    }
}

void gw_mirror_leave(struct gw_flight *flight)
{
    struct gw_mirror *mirror = flight->to_service.mirror;

    if (!mirror)
        return;
    count(mirror->proxy, mirror->rules, GW_SLICE("incomplete"));
    free_mirror(mirror);
}

void gw_mirrors_end(struct gw_proxy *proxy)
{
    GW_LIST_EACH(&proxy->mirrors, node)
        free_mirror(container_of(node, struct gw_mirror, node));
}
