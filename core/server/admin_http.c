#include "server/admin_http.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/json.h"
#include "http/h1.h"
#include "net/listener.h"

#define BODY_MAX 65536
#define CONNECTIONS_MAX 256
#define ANSWER_MAX (64 * 1024 * 1024)

struct gw_admin_listener {
    struct gw_loop *loop;
    struct gw_listener *socket; /* NULL: closed */
    struct gw_addr addr;
    gw_admin_handler handler;
    void *ctx;
    struct gw_list sessions; /* struct session */
    struct gw_list requests; /* struct gw_admin_request */
    unsigned session_count;
    struct gw_defer free_later;
};

struct session {
    struct gw_list_node node;
    struct gw_admin_listener *listener;
    struct gw_session *http;
};

/* --- the end of a listener --- */

static void free_listener(struct gw_defer *defer)
{
    gw_free(container_of(defer, struct gw_admin_listener, free_later));
}

static void free_when_unused(struct gw_admin_listener *listener)
{
    if (!listener->socket && gw_list_empty(&listener->sessions) &&
        gw_list_empty(&listener->requests))
        gw_loop_defer(listener->loop, &listener->free_later, free_listener);
}

/* --- requests --- */

static void free_request(struct gw_admin_request *request)
{
    struct gw_admin_listener *listener = request->listener;

    gw_list_remove(&request->node);
    gw_arena_free(request->arena);
    gw_free(request);
    free_when_unused(listener);
}

static void call_handler(struct gw_admin_request *request)
{
    request->called = true;
    request->listener->handler(request->listener->ctx, request);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_admin_request *request = owner;

    if (request->called)
        return;
    request->body_bytes += bytes.len;
    if (request->body_bytes > BODY_MAX) {
        request->called = true;
        gw_admin_refuse(request, 413, "no request here needs a body");
        return;
    }
    if (end)
        call_handler(request);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    on_body(owner, GW_SLICE_EMPTY, true);
}

static void on_room(void *owner)
{
    (void)owner; /* answers are sent whole */
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_admin_request *request = owner;

    gw_stream_close(request->down, why);
    request->down = NULL;
    if (!request->called)
        free_request(request); /* else its answer is still under way */
}

static const struct gw_stream_events request_events = {
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static struct gw_admin_request *new_request(struct gw_admin_listener *listener,
                                            struct gw_stream *down, struct gw_arena *arena,
                                            struct gw_head *head)
{
    struct gw_admin_request *request = gw_alloc_zero(sizeof(*request));
    char local[GW_ADDR_TEXT_MAX];
    size_t len = gw_addr_format(gw_conn_local(gw_stream_conn(down)), local);

    request->listener = listener;
    request->down = down;
    request->arena = arena;
    request->head = head;
    request->local = gw_arena_copy(arena, gw_slice(local, len));
    gw_list_append(&listener->requests, &request->node);
    gw_stream_bind(down, &request_events, request);
    return request;
}

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct session *session = ctx;
    struct gw_admin_request *request = new_request(session->listener, down, arena, head);

    if (end)
        call_handler(request);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct session *session = ctx;
    const struct gw_error_info *info = gw_error_info(why);
    struct gw_admin_request *request = new_request(session->listener, down, arena, head);

    request->called = true;
    if (info->status) {
        gw_admin_refuse(request, info->status, info->text);
        return;
    }
    gw_stream_close(down, why);
    free_request(request);
}

/* --- answers --- */

static void send_answer(struct gw_admin_request *request, int status, const char *type,
                        struct gw_slice body)
{
    bool bare = request->head->method == GW_METHOD_HEAD;
    struct gw_head head = { .status = status, .version = 11, .body_length = (int64_t)body.len };
    struct gw_arena *arena = request->arena;

    gw_fields_add(&head.fields, arena, GW_SLICE("content-type"), gw_slice_from(type));
    gw_fields_add(&head.fields, arena, GW_SLICE("cache-control"), GW_SLICE("no-store"));
    gw_fields_add(&head.fields, arena, GW_SLICE("x-content-type-options"), GW_SLICE("nosniff"));
    if (status == 401)
        gw_fields_add(&head.fields, arena, GW_SLICE("www-authenticate"), GW_SLICE("Bearer"));
    if (request->allow)
        gw_fields_add(&head.fields, arena, GW_SLICE("allow"), gw_slice_from(request->allow));
    gw_stream_send_head(request->down, &head, bare || body.len == 0);
    if (!bare && body.len)
        gw_stream_send_body(request->down, body, NULL, true);
    gw_stream_close(request->down, GW_OK);
    request->down = NULL;
}

void gw_admin_answer(struct gw_admin_request *request, int status, const char *type,
                     struct gw_slice body)
{
    if (request->down)
        send_answer(request, status, type, body);
    free_request(request);
}

void gw_admin_refuse(struct gw_admin_request *request, int status, const char *detail)
{
    struct gw_buf out;

    gw_buf_init(&out, ANSWER_MAX);
    gw_buf_printf(&out, "{\"title\":\"%s\",\"status\":%d,\"detail\":", gw_status_reason(status),
                  status);
    gw_json_string(&out, gw_slice_from(detail));
    gw_buf_append(&out, GW_SLICE("}\n"));
    gw_admin_answer(request, status, "application/problem+json", gw_buf_slice(&out));
    gw_buf_deinit(&out);
}

/* --- connections --- */

static void free_session(struct session *session)
{
    struct gw_admin_listener *listener = session->listener;

    gw_list_remove(&session->node);
    listener->session_count--;
    gw_free(session);
    free_when_unused(listener);
}

static void on_closed(void *ctx, struct gw_session *http)
{
    (void)http;
    free_session(ctx);
}

static const struct gw_server_events session_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_closed,
};

static void on_conn(void *ctx, struct gw_listener *socket, struct gw_conn *conn)
{
    static const struct gw_session_limits limits = {
        .head_bytes = 16384,
        .headers = 64,
        .target_bytes = 4096,
        .head_timeout_us = 10000000,
        .idle_timeout_us = 60000000,
        .requests = 10000,
    };
    struct gw_admin_listener *listener = ctx;

    (void)socket;
    if (listener->session_count == CONNECTIONS_MAX) {
        gw_conn_close(conn);
        return;
    }
    struct session *session = gw_alloc_zero(sizeof(*session));

    session->listener = listener;
    listener->session_count++;
    gw_list_append(&listener->sessions, &session->node);
    session->http = gw_h1_server_new(conn, &limits, GW_SLICE("http"), &session_events, session);
}

/* --- listeners --- */

struct gw_admin_listener *gw_admin_listener_open(struct gw_loop *loop, int fd,
                                                 gw_admin_handler handler, void *ctx)
{
    struct gw_admin_listener *listener = gw_alloc_zero(sizeof(*listener));

    listener->loop = loop;
    listener->handler = handler;
    listener->ctx = ctx;
    gw_list_init(&listener->sessions);
    gw_list_init(&listener->requests);
    listener->socket = gw_listener_open(loop, fd, on_conn, listener);
    if (!listener->socket) {
        gw_free(listener);
        return NULL;
    }
    listener->addr = *gw_listener_addr(listener->socket);
    return listener;
}

static void stop_accepting(struct gw_admin_listener *listener)
{
    if (listener->socket)
        gw_listener_close(listener->socket);
    listener->socket = NULL;
}

void gw_admin_listener_close(struct gw_admin_listener *listener)
{
    stop_accepting(listener);
    GW_LIST_EACH(&listener->sessions, node)
        gw_session_drain(container_of(node, struct session, node)->http);
    free_when_unused(listener);
}

void gw_admin_listener_abort(struct gw_admin_listener *listener)
{
    stop_accepting(listener);
    GW_LIST_EACH(&listener->sessions, node) {
        struct session *session = container_of(node, struct session, node);

        gw_session_close(session->http);
        free_session(session);
    }
    free_when_unused(listener);
}

const struct gw_addr *gw_admin_listener_addr(const struct gw_admin_listener *listener)
{
    return &listener->addr;
}
