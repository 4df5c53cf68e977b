#include "upstream/trunk.h"

#include "base/alloc.h"
#include "config/config.h"
#include "http/h2.h"
#include "net/conn.h"
#include "net/reach.h"

#define CONNECTIONS_MAX 16 /* to one address: the servers' usual 100 streams make 1,600 requests */
#define SWEEP_US 1000000ull

struct gw_trunk {
    struct gw_trunks *trunks;
    struct gw_list sessions; /* that may take streams; the oldest in front */
    unsigned session_count;
    struct gw_list waits;
    unsigned wait_count, tunnel_waits; /* of them */
    struct gw_reach *reach;            /* NULL: none is being made */
    unsigned users; /* connections, waits and the reach; the last one frees the trunk */
    size_t key_len;
    char key[];
};

struct session {
    struct gw_trunk *trunk;
    struct gw_h2_client *client;
    struct gw_list_node in_all, in_trunk; /* in_trunk: linked while it takes streams */
    bool idle;
    uint64_t idle_until_us, idle_us;
    unsigned idle_connections, idle_requests; /* the wish of the service that used it last */
};

/* ── trunks ────────────────────────────────────────────────────────────────── */

static struct gw_trunk *find_or_make(struct gw_trunks *trunks, struct gw_slice key)
{
    struct gw_trunk *trunk = gw_map_get(&trunks->by_key, key);

    if (trunk)
        return trunk;
    trunk = gw_alloc_zero(sizeof(*trunk) + key.len);
    trunk->trunks = trunks;
    trunk->key_len = key.len;
    memcpy(trunk->key, key.ptr, key.len);
    gw_list_init(&trunk->sessions);
    gw_list_init(&trunk->waits);
    gw_map_put(&trunks->by_key, gw_slice(trunk->key, key.len), trunk);
    return trunk;
}

static void release(struct gw_trunk *trunk)
{
    if (--trunk->users > 0)
        return;
    gw_map_remove(&trunk->trunks->by_key, gw_slice(trunk->key, trunk->key_len));
    gw_free(trunk);
}

/* ── connections ───────────────────────────────────────────────────────────── */

static void set_idle(struct session *session, bool idle)
{
    if (session->idle == idle)
        return;
    session->idle = idle;
    gw_gauge_add(&session->trunk->trunks->idle, idle ? 1 : -1);
}

/* It takes no more streams. */
static void leave_trunk(struct session *session)
{
    if (!gw_list_linked(&session->in_trunk))
        return;
    gw_list_remove(&session->in_trunk);
    session->trunk->session_count--;
}

static void free_session(struct session *session)
{
    struct gw_trunk *trunk = session->trunk;

    set_idle(session, false);
    leave_trunk(session);
    gw_list_remove(&session->in_all);
    gw_free(session);
    release(trunk);
}

static void close_session(struct session *session)
{
    struct gw_h2_client *client = session->client;

    free_session(session);
    gw_h2_client_close(client);
}

static void on_sweep(struct gw_timer *timer)
{
    struct gw_trunks *trunks = container_of(timer, struct gw_trunks, sweep);

    GW_LIST_EACH(&trunks->sessions, node) {
        struct session *session = container_of(node, struct session, in_all);

        if (session->idle && session->idle_until_us <= trunks->loop->clock.now_us)
            close_session(session);
    }
    if (gw_gauge_get(&trunks->idle) > 0)
        gw_timer_start(trunks->loop, &trunks->sweep, SWEEP_US, on_sweep);
}

static void remember_wish(struct session *session, const struct gw_service *service)
{
    session->idle_connections = service->keepalive_connections;
    session->idle_requests = service->keepalive_requests;
    session->idle_us = service->keepalive_idle_us;
}

static struct gw_stream *open_on(struct gw_trunk *trunk, const struct gw_trunk_want *want)
{
    GW_LIST_EACH(&trunk->sessions, node) {
        struct session *session = container_of(node, struct session, in_trunk);
        bool suits = !want->tunnel || gw_h2_client_tunnels(session->client);
        struct gw_stream *stream = suits && gw_h2_client_free_streams(session->client)
                                       ? gw_h2_client_open(session->client, want->arena)
                                       : NULL;

        if (!stream)
            continue;
        set_idle(session, false);
        remember_wish(session, want->service);
        if (session->idle_requests &&
            gw_h2_client_requests(session->client) >= session->idle_requests) {
            leave_trunk(session);
            gw_h2_client_drain(session->client);
        }
        return stream;
    }
    return NULL;
}

/* Of one of its servers nobody knows yet whether it takes tunnels. */
static bool is_unsettled(const struct gw_trunk *trunk)
{
    GW_LIST_EACH(&trunk->sessions, node)
        if (!gw_h2_client_settled(container_of(node, struct session, in_trunk)->client))
            return true;
    return false;
}

static bool refuses_tunnels(const struct gw_trunk *trunk)
{
    bool refuses = false;

    GW_LIST_EACH(&trunk->sessions, node) {
        const struct gw_h2_client *client = container_of(node, struct session, in_trunk)->client;

        if (gw_h2_client_tunnels(client))
            return false;
        refuses = refuses || gw_h2_client_settled(client);
    }
    return refuses;
}

/* ── the line ──────────────────────────────────────────────────────────────── */

static void on_reached(void *ctx, struct gw_conn *conn, enum gw_error error);

/* The first one that another connection would help. */
static const struct gw_trunk_want *first_in_need(const struct gw_trunk *trunk)
{
    bool unsettled = trunk->tunnel_waits && is_unsettled(trunk);

    GW_LIST_EACH(&trunk->waits, node) {
        const struct gw_trunk_want *want = &container_of(node, struct gw_trunk_wait, node)->want;

        if (!want->tunnel || !unsettled)
            return want;
    }
    return NULL;
}

static void reach_if_needed(struct gw_trunk *trunk)
{
    const struct gw_trunk_want *want;

    if (trunk->reach || trunk->session_count >= CONNECTIONS_MAX)
        return;
    want = first_in_need(trunk);
    if (!want)
        return;

    const struct gw_reach_options options = {
        .loop = trunk->trunks->loop,
        .addr = want->addr,
        .timeout_us = want->timeout_us,
        .tls = want->tls,
        .name = want->name,
        .key = want->key,
        .sessions = want->sessions,
    };

    trunk->users++;
    trunk->reach = gw_reach_start(&options, on_reached, trunk);
}

static void stop_reach(struct gw_trunk *trunk)
{
    if (!trunk->reach)
        return;
    gw_reach_cancel(trunk->reach);
    trunk->reach = NULL;
    release(trunk);
}

/* A connection is only made while somebody waits for it. */
static void leave_line(struct gw_trunk_wait *wait)
{
    gw_list_remove(&wait->node);
    gw_timer_stop(&wait->timeout);
    wait->trunk->wait_count--;
    wait->trunk->tunnel_waits -= wait->want.tunnel;
    if (gw_list_empty(&wait->trunk->waits))
        stop_reach(wait->trunk);
}

static void finish(struct gw_trunk_wait *wait, struct gw_stream *stream, enum gw_error error)
{
    struct gw_trunk *trunk = wait->trunk;

    leave_line(wait);
    wait->done(wait->ctx, stream, error);
    release(trunk);
}

/* The first one that need not wait any longer, and its stream; NULL: there is none. */
static struct gw_trunk_wait *next_served(struct gw_trunk *trunk, struct gw_stream **stream)
{
    bool full = false;

    GW_LIST_EACH(&trunk->waits, node) {
        struct gw_trunk_wait *wait = container_of(node, struct gw_trunk_wait, node);
        bool tunnel = wait->want.tunnel;

        if (full && !tunnel)
            continue;
        *stream = open_on(trunk, &wait->want);
        if (*stream || (tunnel && refuses_tunnels(trunk)))
            return wait;
        full = full || !tunnel;
        if (full && !trunk->tunnel_waits)
            break;
    }
    return NULL;
}

/* Gives out what streams there are, in the order of the line. */
static void serve(struct gw_trunk *trunk)
{
    struct gw_trunk_wait *wait;
    struct gw_stream *stream = NULL;

    trunk->users++;
    while ((wait = next_served(trunk, &stream)))
        finish(wait, stream, stream ? GW_OK : GW_E_NO_TUNNEL);
    reach_if_needed(trunk);
    release(trunk);
}

/* Whoever waits now (for a tunnel); who gets in line again meanwhile waits for the next try. */
static void fail_all(struct gw_trunk *trunk, bool tunnels_only, enum gw_error error)
{
    struct gw_list failed;
    struct gw_list_node *node;

    gw_list_init(&failed);
    GW_LIST_EACH(&trunk->waits, waiting) {
        if (tunnels_only && !container_of(waiting, struct gw_trunk_wait, node)->want.tunnel)
            continue;
        gw_list_remove(waiting);
        gw_list_append(&failed, waiting);
    }
    while ((node = gw_list_first(&failed)))
        finish(container_of(node, struct gw_trunk_wait, node), NULL, error);
}

static void on_timeout(struct gw_timer *timer)
{
    struct gw_trunk_wait *wait = container_of(timer, struct gw_trunk_wait, timeout);
    const struct gw_reach *reach = wait->trunk->reach;

    finish(wait, NULL,
           reach && gw_reach_shakes_hands(reach) ? GW_E_TLS_TIMEOUT : GW_E_CONNECT_TIMEOUT);
}

/* ── what connections say ──────────────────────────────────────────────────── */

static void on_room_for_streams(void *ctx, struct gw_h2_client *client)
{
    (void)client;
    serve(((struct session *)ctx)->trunk);
}

static void on_idle(void *ctx, struct gw_h2_client *client)
{
    struct session *session = ctx;
    struct gw_trunks *trunks = session->trunk->trunks;

    (void)client;
    if (!gw_list_linked(&session->in_trunk)) /* it ends by itself */
        return;
    if (trunks->draining || session->idle_connections == 0) {
        close_session(session);
        return;
    }
    session->idle_until_us = trunks->loop->clock.now_us + session->idle_us;
    set_idle(session, true);
    if (!gw_timer_running(&trunks->sweep))
        gw_timer_start(trunks->loop, &trunks->sweep, SWEEP_US, on_sweep);
}

static void on_closed(void *ctx, struct gw_h2_client *client)
{
    struct session *session = ctx;
    struct gw_trunk *trunk = session->trunk;
    bool settled = gw_h2_client_settled(client); /* it frees itself */

    trunk->users++;
    free_session(session);
    if (!settled && trunk->tunnel_waits) /* the next one would be no better */
        fail_all(trunk, true, GW_E_RESET);
    serve(trunk);
    release(trunk);
}

static void add_session(struct gw_trunk *trunk, struct gw_conn *conn)
{
    static const struct gw_h2_client_events events = { on_room_for_streams, on_idle, on_closed };
    const struct gw_trunk_want *want =
        &container_of(gw_list_first(&trunk->waits), struct gw_trunk_wait, node)->want;
    const struct gw_limits *limits = want->limits;
    const struct gw_h2_limits most = {
        .session = { .head_bytes = limits->head, .headers = limits->headers },
        .tls = want->tls != NULL,
    };
    struct session *session = gw_alloc_zero(sizeof(*session));

    session->trunk = trunk;
    trunk->users++;
    trunk->session_count++;
    remember_wish(session, want->service);
    gw_list_append(&trunk->trunks->sessions, &session->in_all);
    gw_list_append(&trunk->sessions, &session->in_trunk);
    if (limits->write_queue)
        gw_conn_set_write_limit(conn, limits->write_queue);
    session->client = gw_h2_client_new(conn, &most, &events, session);
}

static void on_reached(void *ctx, struct gw_conn *conn, enum gw_error error)
{
    struct gw_trunk *trunk = ctx;

    trunk->reach = NULL; /* and somebody waits */
    if (error) {
        fail_all(trunk, false, error);
    } else {
        add_session(trunk, conn);
        serve(trunk);
    }
    release(trunk);
}

/* ── for calls ─────────────────────────────────────────────────────────────── */

bool gw_trunks_refuse(struct gw_trunks *trunks, const struct gw_trunk_want *want)
{
    struct gw_trunk *trunk = want->tunnel ? gw_map_get(&trunks->by_key, want->key) : NULL;

    return trunk && refuses_tunnels(trunk);
}

struct gw_stream *gw_trunks_open(struct gw_trunks *trunks, const struct gw_trunk_want *want)
{
    struct gw_trunk *trunk = gw_map_get(&trunks->by_key, want->key);

    /* Who only waits to hear of tunnels stands in nobody's way. */
    return trunk && trunk->wait_count == (want->tunnel ? 0 : trunk->tunnel_waits)
               ? open_on(trunk, want)
               : NULL;
}

struct gw_trunk_wait *gw_trunks_wait(struct gw_trunks *trunks, const struct gw_trunk_want *want,
                                     gw_trunk_cb done, void *ctx)
{
    struct gw_trunk_wait *wait = gw_arena_alloc_zero(want->arena, sizeof(*wait));

    wait->trunk = find_or_make(trunks, want->key);
    wait->trunk->users++;
    wait->want = *want;
    wait->done = done;
    wait->ctx = ctx;
    wait->trunk->wait_count++;
    wait->trunk->tunnel_waits += want->tunnel;
    gw_list_append(&wait->trunk->waits, &wait->node);
    if (want->timeout_us)
        gw_timer_start(trunks->loop, &wait->timeout, want->timeout_us, on_timeout);
    reach_if_needed(wait->trunk);
    return wait;
}

void gw_trunk_wait_cancel(struct gw_trunk_wait *wait)
{
    struct gw_trunk *trunk = wait->trunk;

    leave_line(wait);
    release(trunk);
}

/* ── the beginning and the end ─────────────────────────────────────────────── */

static bool close_idle(void *owner)
{
    close_session(owner);
    return true;
}

static void offer_idle(struct gw_relief_giver *giver, struct gw_relief *relief)
{
    struct gw_trunks *trunks = container_of(giver, struct gw_trunks, giver);

    GW_LIST_EACH(&trunks->sessions, node) {
        struct session *session = container_of(node, struct session, in_all);

        if (session->idle)
            gw_relief_offer(relief, session->idle_until_us - session->idle_us, close_idle, session);
    }
}

void gw_trunks_init(struct gw_trunks *trunks, struct gw_loop *loop)
{
    trunks->loop = loop;
    gw_map_init(&trunks->by_key);
    gw_list_init(&trunks->sessions);
    trunks->giver.offer = offer_idle;
    gw_relief_join(loop, &trunks->giver);
}

void gw_trunks_drain(struct gw_trunks *trunks)
{
    trunks->draining = true;
    GW_LIST_EACH(&trunks->sessions, node) {
        struct session *session = container_of(node, struct session, in_all);

        if (session->idle)
            close_session(session);
    }
}

void gw_trunks_deinit(struct gw_trunks *trunks)
{
    GW_LIST_EACH(&trunks->sessions, node)
        close_session(container_of(node, struct session, in_all));
    gw_timer_stop(&trunks->sweep);
    gw_relief_leave(&trunks->giver);
    gw_map_deinit(&trunks->by_key);
}
