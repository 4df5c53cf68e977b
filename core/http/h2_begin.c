/* How a session of HTTP/2 begins: the engine, what it tells the peer of itself, and the windows. */
#include "http/h2_session.h"

#include "base/alloc.h"

#define STREAMS_DEFAULT 128
#define STREAM_WINDOW_DEFAULT (64 * 1024)
#define OUTBOUND_ACKS_MAX 100 /* answers to SETTINGS and PING that a peer lets wait */

static void *engine_malloc(size_t size, void *ctx)
{
    (void)ctx;
    return gw_alloc(size ? size : 1);
}

static void engine_free(void *ptr, void *ctx)
{
    (void)ctx;
    gw_free(ptr);
}

static void *engine_calloc(size_t count, size_t size, void *ctx)
{
    (void)ctx;
    GW_ASSERT(size == 0 || count <= SIZE_MAX / size);
    return gw_alloc_zero(count > 0 && size > 0 ? count * size : 1);
}

static void *engine_realloc(void *ptr, size_t size, void *ctx)
{
    (void)ctx;
    return gw_realloc(ptr, size ? size : 1);
}

static void make_engine(struct gw_h2_session *session)
{
    nghttp2_mem memory = { NULL, engine_malloc, engine_free, engine_calloc, engine_realloc };
    nghttp2_session_callbacks *callbacks = gw_h2_callbacks_new();
    nghttp2_option *option = NULL;
    int error = nghttp2_option_new(&option);

    GW_ASSERT(error == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, OUTBOUND_ACKS_MAX);
    error =
        session->is_server
            ? nghttp2_session_server_new3(&session->engine, callbacks, session, option, &memory)
            : nghttp2_session_client_new3(&session->engine, callbacks, session, option, &memory);
    GW_ASSERT(error == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

static void introduce(struct gw_h2_session *session)
{
    const struct gw_h2_limits *limits = &session->limits;
    const nghttp2_settings_entry settings[] = {
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)limits->session.head_bytes },
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, session->is_server ? limits->streams : 0 },
        { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 },
        { NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1 },
    };
    const nghttp2_settings_entry client_settings[] = {
        settings[0],
        settings[1],
        settings[2],
        { NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
    };
    int error = session->is_server
                    ? nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, settings,
                                              GW_ARRAY_LEN(settings))
                    : nghttp2_submit_settings(session->engine, NGHTTP2_FLAG_NONE, client_settings,
                                              GW_ARRAY_LEN(client_settings));

    GW_ASSERT(error == 0);
    nghttp2_session_set_local_window_size(session->engine, NGHTTP2_FLAG_NONE, 0,
                                          (int32_t)limits->conn_window);
    gw_h2_session_flush_later(session);
}

static void set_limits(struct gw_h2_session *session, const struct gw_h2_limits *limits)
{
    struct gw_h2_limits *own = &session->limits;

    *own = *limits;
    if (!own->streams)
        own->streams = STREAMS_DEFAULT;
    if (!own->stream_window)
        own->stream_window = STREAM_WINDOW_DEFAULT;
    if (own->stream_window > INT32_MAX)
        own->stream_window = INT32_MAX;
    /* Enough for all: a stream whose owner takes nothing must not keep others waiting. */
    uint64_t all = (uint64_t)own->streams * own->stream_window + GW_H2_WINDOW_RESERVE;

    if (!own->conn_window)
        own->conn_window = all < INT32_MAX ? (uint32_t)all : INT32_MAX;
    if (own->conn_window > INT32_MAX)
        own->conn_window = INT32_MAX;
}

void gw_h2_session_init(struct gw_h2_session *session, const struct gw_h2_role *role,
                        bool is_server, struct gw_conn *conn, const struct gw_h2_limits *limits)
{
    session->role = role;
    session->is_server = is_server;
    session->conn = conn;
    session->loop = gw_conn_loop(conn);
    session->born_us = session->idle_us = session->loop->clock.now_us;
    set_limits(session, limits);
    gw_list_init(&session->streams);
    gw_list_init(&session->due);
    gw_list_init(&session->spare);
    make_engine(session);
    introduce(session);
    gw_conn_bind(conn, &gw_h2_conn_events, session);
}

void gw_h2_session_deinit(struct gw_h2_session *session)
{
    GW_ASSERT(!session->conn && session->owned == 0 && gw_list_empty(&session->streams));
    GW_LIST_EACH(&session->spare, node)
        gw_free(container_of(node, struct gw_h2_stream, node));
    nghttp2_session_del(session->engine);
    session->engine = NULL;
    gw_defer_cancel(&session->flush);
    gw_defer_cancel(&session->tell);
    gw_defer_cancel(&session->end);
    gw_timer_stop(&session->timer);
}
