/* A *shelf* holds the idle sessions of one key (an address, and over TLS what was verified), the
 * last used in front: the others grow old and are closed by one timer for the whole pool. A session
 * that dies while idle tells so at once and leaves. */
#include "upstream/pool.h"

#include "base/alloc.h"
#include "base/gauge.h"
#include "base/map.h"
#include "config/config.h"
#include "http/h1.h"
#include "net/relief.h"
#include "net/tls_sessions.h"
#include "upstream/trunk.h"
#include "upstream/view.h"

#define SWEEP_US 1000000ull
#define TLS_SESSIONS 512 /* servers whose sessions are kept */

/* Defaults of decisions.md for calls without a service. */
#define IDLE_CONNECTIONS 512
#define IDLE_REQUESTS 10000
#define IDLE_US 60000000ull
#define HEAD_BYTES (32 * 1024)
#define HEAD_FIELDS 100

struct gw_pool {
    struct gw_loop *loop;
    struct gw_map shelves;   /* by key */
    struct gw_list sessions; /* all, idle or not */
    struct gw_timer sweep;
    struct gw_relief_giver giver; /* of idle ones */
    struct gw_trunks trunks;
    struct gw_views views;
    struct gw_tls_sessions *tls_sessions; /* made at first use */
    struct gw_gauge idle;
    unsigned pending;
    bool draining;
};

struct shelf {
    struct gw_pool *pool;
    struct gw_list idle; /* the last used in front */
    unsigned idle_count;
    unsigned sessions; /* that belong here; the last one frees the shelf */
    size_t key_len;
    char key[];
};

struct session {
    struct shelf *shelf;
    struct gw_h1_client *client;
    struct gw_list_node in_pool, in_shelf; /* in_shelf: linked while idle */
    uint64_t idle_until_us;
    unsigned idle_connections, idle_requests; /* the wish of the service that used it last */
    uint64_t idle_us;
};

struct gw_views *gw_pool_views(struct gw_pool *pool)
{
    return &pool->views;
}

struct gw_trunks *gw_pool_trunks(struct gw_pool *pool)
{
    return &pool->trunks;
}

struct gw_tls_sessions *gw_pool_tls_sessions(struct gw_pool *pool)
{
    if (!pool->tls_sessions)
        pool->tls_sessions = gw_tls_sessions_new(TLS_SESSIONS);
    return pool->tls_sessions;
}

unsigned *gw_pool_pending(struct gw_pool *pool)
{
    return &pool->pending;
}

unsigned gw_pool_idle(const struct gw_pool *pool)
{
    return gw_gauge_get(&pool->idle) + gw_gauge_get(&pool->trunks.idle);
}

/* ── shelves and sessions ──────────────────────────────────────────────────── */

static struct shelf *find_or_make_shelf(struct gw_pool *pool, struct gw_slice key)
{
    struct shelf *shelf = gw_map_get(&pool->shelves, key);

    if (shelf)
        return shelf;
    shelf = gw_alloc_zero(sizeof(*shelf) + key.len);
    shelf->pool = pool;
    shelf->key_len = key.len;
    memcpy(shelf->key, key.ptr, key.len);
    gw_list_init(&shelf->idle);
    gw_map_put(&pool->shelves, gw_slice(shelf->key, key.len), shelf);
    return shelf;
}

static void leave_shelf(struct session *session)
{
    if (!gw_list_linked(&session->in_shelf))
        return;
    gw_list_remove(&session->in_shelf);
    session->shelf->idle_count--;
    gw_gauge_add(&session->shelf->pool->idle, -1);
}

static void free_session(struct session *session)
{
    struct shelf *shelf = session->shelf;

    leave_shelf(session);
    gw_list_remove(&session->in_pool);
    gw_free(session);
    if (--shelf->sessions > 0)
        return;
    gw_map_remove(&shelf->pool->shelves, gw_slice(shelf->key, shelf->key_len));
    gw_free(shelf);
}

static void close_session(struct session *session)
{
    struct gw_h1_client *client = session->client;

    free_session(session);
    gw_h1_client_close(client);
}

static void on_sweep(struct gw_timer *timer)
{
    struct gw_pool *pool = container_of(timer, struct gw_pool, sweep);

    GW_LIST_EACH(&pool->sessions, node) {
        struct session *session = container_of(node, struct session, in_pool);

        if (gw_list_linked(&session->in_shelf) &&
            session->idle_until_us <= pool->loop->clock.now_us)
            close_session(session);
    }
    if (gw_gauge_get(&pool->idle) > 0)
        gw_timer_start(pool->loop, &pool->sweep, SWEEP_US, on_sweep);
}

static void on_idle(void *ctx, struct gw_h1_client *client)
{
    struct session *session = ctx;
    struct shelf *shelf = session->shelf;
    struct gw_pool *pool = shelf->pool;

    if (pool->draining || session->idle_connections == 0 ||
        (session->idle_requests && gw_h1_client_requests(client) >= session->idle_requests)) {
        close_session(session);
        return;
    }
    session->idle_until_us = pool->loop->clock.now_us + session->idle_us;
    gw_list_prepend(&shelf->idle, &session->in_shelf);
    shelf->idle_count++;
    gw_gauge_add(&pool->idle, 1);
    if (shelf->idle_count > session->idle_connections)
        close_session(container_of(gw_list_last(&shelf->idle), struct session, in_shelf));
    if (!gw_timer_running(&pool->sweep))
        gw_timer_start(pool->loop, &pool->sweep, SWEEP_US, on_sweep);
}

static void on_closed(void *ctx, struct gw_h1_client *client)
{
    (void)client; /* frees itself */
    free_session(ctx);
}

static const struct gw_client_events session_events = {
    .on_idle = on_idle,
    .on_closed = on_closed,
};

/* ── streams ───────────────────────────────────────────────────────────────── */

/* A connection that named its client serves nobody else. */
static unsigned idle_connections(const struct gw_service *service)
{
    if (!service)
        return IDLE_CONNECTIONS;
    return service->proxy_protocol ? 0 : service->keepalive_connections;
}

static void remember_wish(struct session *session, const struct gw_service *service)
{
    session->idle_connections = idle_connections(service);
    session->idle_requests = service ? service->keepalive_requests : IDLE_REQUESTS;
    session->idle_us = service ? service->keepalive_idle_us : IDLE_US;
}

static struct gw_stream *open_stream(struct session *session, const struct gw_service *service,
                                     const struct gw_limits *limits, struct gw_arena *arena)
{
    struct gw_conn *conn = gw_h1_client_conn(session->client);

    remember_wish(session, service);
    if (limits) {
        gw_h1_client_limit_heads(session->client, limits->head ? limits->head : HEAD_BYTES,
                                 limits->headers ? limits->headers : HEAD_FIELDS);
        if (conn && limits->write_queue)
            gw_conn_set_write_limit(conn, limits->write_queue);
    }
    return gw_h1_client_open(session->client, arena);
}

struct gw_stream *gw_pool_take(struct gw_pool *pool, struct gw_slice key,
                               const struct gw_service *service, const struct gw_limits *limits,
                               struct gw_arena *arena)
{
    struct shelf *shelf = gw_map_get(&pool->shelves, key);
    struct gw_list_node *node = shelf ? gw_list_first(&shelf->idle) : NULL;

    if (!node)
        return NULL;

    struct session *session = container_of(node, struct session, in_shelf);

    if (session->idle_until_us <= pool->loop->clock.now_us) /* the others here are older still */
        return NULL;
    leave_shelf(session);
    return open_stream(session, service, limits, arena);
}

struct gw_stream *gw_pool_adopt(struct gw_pool *pool, struct gw_slice key, struct gw_conn *conn,
                                const struct gw_service *service, const struct gw_limits *limits,
                                struct gw_arena *arena)
{
    static const struct gw_session_limits defaults = {
        .head_bytes = HEAD_BYTES,
        .headers = HEAD_FIELDS,
    };
    struct session *session = gw_alloc_zero(sizeof(*session));

    session->shelf = find_or_make_shelf(pool, key);
    session->shelf->sessions++;
    gw_list_append(&pool->sessions, &session->in_pool);
    session->client = gw_h1_client_new(conn, &defaults, &session_events, session);
    return open_stream(session, service, limits, arena);
}

/* ── the beginning and the end ─────────────────────────────────────────────── */

static bool close_idle(void *owner)
{
    close_session(owner);
    return true;
}

static void offer_idle(struct gw_relief_giver *giver, struct gw_relief *relief)
{
    struct gw_pool *pool = container_of(giver, struct gw_pool, giver);

    GW_LIST_EACH(&pool->sessions, node) {
        struct session *session = container_of(node, struct session, in_pool);

        if (gw_list_linked(&session->in_shelf))
            gw_relief_offer(relief, session->idle_until_us - session->idle_us, close_idle, session);
    }
}

struct gw_pool *gw_pool_new(struct gw_loop *loop)
{
    struct gw_pool *pool = gw_alloc_zero(sizeof(*pool));

    pool->loop = loop;
    gw_map_init(&pool->shelves);
    gw_list_init(&pool->sessions);
    pool->giver.offer = offer_idle;
    gw_relief_join(loop, &pool->giver);
    gw_trunks_init(&pool->trunks, loop);
    return pool;
}

void gw_pool_drain(struct gw_pool *pool)
{
    pool->draining = true;
    gw_trunks_drain(&pool->trunks);
    GW_LIST_EACH(&pool->sessions, node) {
        struct session *session = container_of(node, struct session, in_pool);

        if (gw_list_linked(&session->in_shelf))
            close_session(session);
    }
}

void gw_pool_free(struct gw_pool *pool)
{
    GW_LIST_EACH(&pool->sessions, node) {
        close_session(container_of(node, struct session, in_pool));
    }
    gw_trunks_deinit(&pool->trunks);
    gw_timer_stop(&pool->sweep);
    gw_relief_leave(&pool->giver);
    gw_map_deinit(&pool->shelves);
    gw_views_deinit(&pool->views);
    gw_tls_sessions_unref(pool->tls_sessions);
    gw_free(pool);
}
