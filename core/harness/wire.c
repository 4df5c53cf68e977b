/* Events, wires, clients and alarms: what specs hold of the world outside the gateway, by
 * number. */
#include "base/alloc.h"
#include "harness/harness.h"
#include "http/h1.h"
#include "net/memory_pair.h"

#include <string.h>

struct wire {
    struct gw_list_node node;
    struct gw_harness *harness;
    struct gw_conn *conn;
    unsigned id;
};

struct alarm {
    struct gw_list_node node;
    struct gw_harness *harness;
    struct gw_timer timer;
    unsigned id;
};

/* The gateway's side of a client's connection. */
struct session {
    struct gw_list_node node;
    struct gw_harness *harness;
    struct gw_session *http;
};

/* --- events --- */

void gw_harness_tell(struct gw_harness *harness, enum gw_harness_event_kind kind, unsigned id,
                     int number, struct gw_slice text)
{
    struct gw_harness_event *event = gw_alloc_zero(sizeof(*event) + text.len);

    event->kind = kind;
    event->id = id;
    event->number = number;
    event->len = text.len;
    if (text.len)
        memcpy(event->text, text.ptr, text.len);
    gw_list_append(&harness->events, &event->node);
}

struct gw_harness_event *gw_harness_take(struct gw_harness *harness)
{
    struct gw_list_node *node = gw_list_first(&harness->events);

    if (!node)
        return NULL;
    gw_list_remove(node);
    return container_of(node, struct gw_harness_event, node);
}

/* --- wires --- */

static void on_read(void *owner, struct gw_slice bytes)
{
    struct wire *wire = owner;

    gw_harness_tell(wire->harness, GW_HARNESS_BYTES, wire->id, 0, bytes);
}

static void on_room(void *owner)
{
    struct wire *wire = owner;

    gw_harness_tell(wire->harness, GW_HARNESS_ROOM, wire->id, 0, GW_SLICE_EMPTY);
}

static void on_end(void *owner, enum gw_error why)
{
    struct wire *wire = owner;

    gw_harness_tell(wire->harness, GW_HARNESS_END, wire->id, why == GW_E_CLOSED ? 0 : (int)why,
                    GW_SLICE_EMPTY);
}

static const struct gw_conn_events wire_events = {
    .on_read = on_read,
    .on_room = on_room,
    .on_end = on_end,
};

unsigned gw_harness_add_wire(struct gw_harness *harness, struct gw_conn *conn)
{
    struct wire *wire = gw_alloc_zero(sizeof(*wire));

    wire->harness = harness;
    wire->conn = conn;
    wire->id = ++harness->last_id;
    gw_list_append(&harness->wires, &wire->node);
    gw_conn_bind(conn, &wire_events, wire);
    return wire->id;
}

static struct wire *find_wire(const struct gw_harness *harness, unsigned id)
{
    GW_LIST_EACH(&harness->wires, node) {
        struct wire *wire = container_of(node, struct wire, node);

        if (wire->id == id)
            return wire;
    }
    return NULL;
}

struct gw_conn *gw_harness_wire(struct gw_harness *harness, unsigned id)
{
    struct wire *wire = find_wire(harness, id);

    return wire ? wire->conn : NULL;
}

static void close_wire(struct wire *wire, bool reset)
{
    if (reset)
        gw_conn_reset(wire->conn);
    else
        gw_conn_close(wire->conn);
    gw_list_remove(&wire->node);
    gw_free(wire);
}

void gw_harness_close_wire(struct gw_harness *harness, unsigned id, bool reset)
{
    struct wire *wire = find_wire(harness, id);

    if (wire)
        close_wire(wire, reset);
}

/* --- clients --- */

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct session *session = ctx;

    gw_proxy_on_request(session->harness->proxy, down, arena, head, end, 0);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct session *session = ctx;

    gw_proxy_on_refused(session->harness->proxy, down, arena, head, why);
}

static void free_session(struct session *session)
{
    gw_list_remove(&session->node);
    gw_free(session);
}

static void on_session_closed(void *ctx, struct gw_session *http)
{
    (void)http; /* frees itself */
    free_session(ctx);
}

static const struct gw_server_events session_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_session_closed,
};

static const struct gw_limits *limits_of(const struct gw_harness *harness)
{
    const struct gw_config *config = harness->config;

    return config->listener_count ? &config->listeners[0].limits : &config->limits;
}

unsigned gw_harness_connect(struct gw_harness *harness, const struct gw_addr *peer)
{
    const struct gw_limits *limits = limits_of(harness);
    const struct gw_session_limits most = {
        .head_bytes = limits->head,
        .headers = limits->headers,
        .target_bytes = limits->target,
        .head_timeout_us = limits->head_timeout_us,
        .idle_timeout_us = limits->idle_timeout_us,
        .min_rate = limits->body_min_rate,
        .requests = limits->requests_per_connection,
    };
    struct session *session = gw_alloc_zero(sizeof(*session));
    struct gw_conn *inside, *ours;
    struct gw_addr local;

    gw_addr_parse(&local, GW_SLICE("127.0.0.1:8000"));
    gw_memory_pair_new(harness->loop, peer, &local, &inside, &ours);
    if (limits->write_queue)
        gw_conn_set_write_limit(inside, limits->write_queue);
    session->harness = harness;
    gw_list_append(&harness->sessions, &session->node);
    session->http = gw_h1_server_new(inside, &most, GW_SLICE("http"), &session_events, session);
    return gw_harness_add_wire(harness, ours);
}

static void close_sessions(struct gw_harness *harness)
{
    GW_LIST_EACH(&harness->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        gw_session_close(session->http);
        free_session(session);
    }
}

/* --- alarms --- */

static void on_alarm(struct gw_timer *timer)
{
    struct alarm *alarm = container_of(timer, struct alarm, timer);

    gw_harness_tell(alarm->harness, GW_HARNESS_ALARM, alarm->id, 0, GW_SLICE_EMPTY);
    gw_list_remove(&alarm->node);
    gw_free(alarm);
}

unsigned gw_harness_set_alarm(struct gw_harness *harness, uint64_t delay_us)
{
    struct alarm *alarm = gw_alloc_zero(sizeof(*alarm));

    alarm->harness = harness;
    alarm->id = ++harness->last_id;
    gw_list_append(&harness->alarms, &alarm->node);
    gw_timer_start(harness->loop, &alarm->timer, delay_us, on_alarm);
    return alarm->id;
}

static void drop_alarm(struct alarm *alarm)
{
    gw_timer_stop(&alarm->timer);
    gw_list_remove(&alarm->node);
    gw_free(alarm);
}

void gw_harness_cancel_alarm(struct gw_harness *harness, unsigned id)
{
    GW_LIST_EACH(&harness->alarms, node) {
        struct alarm *alarm = container_of(node, struct alarm, node);

        if (alarm->id == id) {
            drop_alarm(alarm);
            return;
        }
    }
}

/* --- life --- */

void gw_harness_wires_init(struct gw_harness *harness)
{
    gw_list_init(&harness->sessions);
    gw_list_init(&harness->wires);
    gw_list_init(&harness->alarms);
    gw_list_init(&harness->events);
}

void gw_harness_wires_deinit(struct gw_harness *harness)
{
    struct gw_harness_event *event;

    close_sessions(harness);
    GW_LIST_EACH(&harness->wires, node)
        close_wire(container_of(node, struct wire, node), false);
    GW_LIST_EACH(&harness->alarms, node)
        drop_alarm(container_of(node, struct alarm, node));
    while ((event = gw_harness_take(harness)))
        gw_free(event);
}
