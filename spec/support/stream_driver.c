/* Streams as specs drive them. LuaJIT's callbacks take no structs by value and must not throw
 * through C, so every event is first written to a log of text and then told to one Lua function,
 * which may act on the stream.
 *
 *   probe     the owner of a stream
 *   acceptor  the owner of a server session: makes a probe of every request
 *   dialer    the owner of a client session
 *
 * spec/support/streams.lua declares all this for FFI. */
#include "base/alloc.h"
#include "base/buf.h"
#include "http/h1.h"
#include "http/h2.h"
#include "net/memory_pair.h"

#define LOG_MAX (64 * 1024 * 1024)

struct gw_probe {
    struct gw_stream *stream; /* NULL once closed */
    struct gw_arena *arena;   /* owned, may be NULL */
    struct gw_buf log;        /* one event a line */
    struct gw_buf body;
    struct gw_head *head; /* the last one; lives in the stream's arena */
    unsigned ends;        /* clean ends of the message */
    unsigned failures;    /* on_end */
    unsigned after_close; /* events that came too late: must stay 0 */
    unsigned nested;      /* events inside an operation: must stay 0 */
    bool in_operation;
    int error; /* of on_end */
    int id;
};

struct gw_acceptor {
    struct gw_session *server; /* NULL once closed */
    struct gw_probe *last;
    unsigned requests, refused, closed;
    int refusal;
};

struct gw_dialer {
    struct gw_h1_client *client; /* NULL once closed */
    struct gw_h2_client *h2;     /* instead */
    unsigned idle, closed, rooms;
};

void (*gw_probe_hook)(struct gw_probe *probe, const char *event);
void (*gw_accept_hook)(struct gw_acceptor *acceptor, struct gw_probe *probe, bool refused);

/* ── probe ─────────────────────────────────────────────────────────────────── */

static void tell(struct gw_probe *probe, const char *event)
{
    if (!probe->stream)
        probe->after_close++;
    if (probe->in_operation)
        probe->nested++;
    if (gw_probe_hook)
        gw_probe_hook(probe, event);
}

static void log_fields(struct gw_probe *probe, const struct gw_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        gw_buf_printf(&probe->log, " %.*s=%.*s", GW_SLICE_ARG(fields->items[i].name),
                      GW_SLICE_ARG(fields->items[i].value));
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_probe *probe = owner;

    probe->head = head;
    probe->ends += end;
    gw_buf_printf(&probe->log, "head %d", head->status);
    log_fields(probe, &head->fields);
    gw_buf_printf(&probe->log, "%s\n", end ? " end" : "");
    tell(probe, "head");
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_probe *probe = owner;

    probe->ends += end;
    gw_buf_append(&probe->body, bytes);
    gw_buf_printf(&probe->log, "body %zu%s\n", bytes.len, end ? " end" : "");
    tell(probe, "body");
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    struct gw_probe *probe = owner;

    probe->ends++;
    gw_buf_printf(&probe->log, "trailers");
    log_fields(probe, trailers);
    gw_buf_printf(&probe->log, "\n");
    tell(probe, "trailers");
}

static void on_room(void *owner)
{
    struct gw_probe *probe = owner;

    gw_buf_printf(&probe->log, "room\n");
    tell(probe, "room");
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_probe *probe = owner;

    probe->failures++;
    probe->error = (int)why;
    gw_buf_printf(&probe->log, "end %s\n", gw_error_info(why)->reason);
    tell(probe, "end");
}

static const struct gw_stream_events probe_events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

struct gw_probe *gw_probe_new(struct gw_stream *stream, struct gw_arena *arena);
void gw_probe_free(struct gw_probe *probe);
void gw_probe_send_head(struct gw_probe *probe, const struct gw_head *head, bool end);
bool gw_probe_send_body(struct gw_probe *probe, const char *bytes, size_t len, bool end);
bool gw_probe_send_blob(struct gw_probe *probe, struct gw_blob *blob, bool end);
void gw_probe_send_trailers(struct gw_probe *probe, const struct gw_fields *trailers);
void gw_probe_hold(struct gw_probe *probe, bool on);
void gw_probe_close(struct gw_probe *probe, int why);

/* Binds the stream. `arena`: freed with the probe. */
struct gw_probe *gw_probe_new(struct gw_stream *stream, struct gw_arena *arena)
{
    static int ids;
    struct gw_probe *probe = gw_alloc_zero(sizeof(*probe));

    probe->id = ++ids;
    probe->stream = stream;
    probe->arena = arena;
    gw_buf_init(&probe->log, LOG_MAX);
    gw_buf_init(&probe->body, LOG_MAX);
    gw_stream_bind(stream, &probe_events, probe);
    return probe;
}

void gw_probe_free(struct gw_probe *probe)
{
    gw_buf_deinit(&probe->log);
    gw_buf_deinit(&probe->body);
    gw_arena_free(probe->arena);
    gw_free(probe);
}

void gw_probe_send_head(struct gw_probe *probe, const struct gw_head *head, bool end)
{
    probe->in_operation = true;
    gw_stream_send_head(probe->stream, head, end);
    probe->in_operation = false;
}

bool gw_probe_send_body(struct gw_probe *probe, const char *bytes, size_t len, bool end)
{
    probe->in_operation = true;
    bool room = gw_stream_send_body(probe->stream, gw_slice(bytes, len), NULL, end);

    probe->in_operation = false;
    return room;
}

bool gw_probe_send_blob(struct gw_probe *probe, struct gw_blob *blob, bool end)
{
    probe->in_operation = true;
    bool room = gw_stream_send_body(probe->stream, gw_blob_slice(blob), blob, end);

    probe->in_operation = false;
    return room;
}

void gw_probe_send_trailers(struct gw_probe *probe, const struct gw_fields *trailers)
{
    probe->in_operation = true;
    gw_stream_send_trailers(probe->stream, trailers);
    probe->in_operation = false;
}

void gw_probe_hold(struct gw_probe *probe, bool on)
{
    probe->in_operation = true;
    gw_stream_hold(probe->stream, on);
    probe->in_operation = false;
}

void gw_probe_close(struct gw_probe *probe, int why)
{
    struct gw_stream *stream = probe->stream;

    probe->in_operation = true;
    probe->stream = NULL;
    gw_stream_close(stream, (enum gw_error)why);
    probe->in_operation = false;
}

/* ── sessions ──────────────────────────────────────────────────────────────── */

static void take(struct gw_acceptor *acceptor, struct gw_stream *down, struct gw_arena *arena,
                 struct gw_head *head, bool end, bool refused)
{
    struct gw_probe *probe = gw_probe_new(down, arena);

    acceptor->last = probe;
    if (!refused) {
        probe->head = head;
        probe->ends += end;
        gw_buf_printf(&probe->log, "request %.*s %.*s", GW_SLICE_ARG(head->method_name),
                      GW_SLICE_ARG(head->path));
        log_fields(probe, &head->fields);
        gw_buf_printf(&probe->log, "%s\n", end ? " end" : "");
    } else {
        probe->head = head;
    }
    if (gw_accept_hook)
        gw_accept_hook(acceptor, probe, refused);
}

static void on_request(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, bool end)
{
    struct gw_acceptor *acceptor = ctx;

    acceptor->requests++;
    take(acceptor, down, arena, head, end, false);
}

static void on_refused(void *ctx, struct gw_stream *down, struct gw_arena *arena,
                       struct gw_head *head, enum gw_error why)
{
    struct gw_acceptor *acceptor = ctx;

    acceptor->refused++;
    acceptor->refusal = (int)why;
    take(acceptor, down, arena, head, false, true);
}

static void on_server_closed(void *ctx, struct gw_session *session)
{
    struct gw_acceptor *acceptor = ctx;

    (void)session;
    acceptor->closed++;
    acceptor->server = NULL;
}

static const struct gw_server_events acceptor_events = {
    .on_request = on_request,
    .on_refused = on_refused,
    .on_closed = on_server_closed,
};

struct gw_acceptor *gw_acceptor_new(struct gw_conn *conn, const struct gw_session_limits *limits);
void gw_acceptor_free(struct gw_acceptor *acceptor);

struct gw_acceptor *gw_acceptor_new(struct gw_conn *conn, const struct gw_session_limits *limits)
{
    struct gw_acceptor *acceptor = gw_alloc_zero(sizeof(*acceptor));

    acceptor->server = gw_h1_server_new(conn, limits, GW_SLICE("http"), &acceptor_events, acceptor);
    return acceptor;
}

struct gw_acceptor *gw_acceptor_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits);

struct gw_acceptor *gw_acceptor_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits)
{
    struct gw_acceptor *acceptor = gw_alloc_zero(sizeof(*acceptor));

    acceptor->server = gw_h2_server_new(conn, limits, GW_SLICE("http"), &acceptor_events, acceptor);
    return acceptor;
}

void gw_acceptor_free(struct gw_acceptor *acceptor)
{
    if (acceptor->server)
        gw_session_close(acceptor->server);
    gw_free(acceptor);
}

static void on_idle(void *ctx, struct gw_h1_client *session)
{
    struct gw_dialer *dialer = ctx;

    (void)session;
    dialer->idle++;
}

static void on_client_closed(void *ctx, struct gw_h1_client *session)
{
    struct gw_dialer *dialer = ctx;

    (void)session;
    dialer->closed++;
    dialer->client = NULL;
}

static const struct gw_client_events dialer_events = {
    .on_idle = on_idle,
    .on_closed = on_client_closed,
};

struct gw_dialer *gw_dialer_new(struct gw_conn *conn, const struct gw_session_limits *limits);
void gw_dialer_free(struct gw_dialer *dialer);

struct gw_dialer *gw_dialer_new(struct gw_conn *conn, const struct gw_session_limits *limits)
{
    struct gw_dialer *dialer = gw_alloc_zero(sizeof(*dialer));

    dialer->client = gw_h1_client_new(conn, limits, &dialer_events, dialer);
    return dialer;
}

static void on_h2_room(void *ctx, struct gw_h2_client *client)
{
    struct gw_dialer *dialer = ctx;

    (void)client;
    dialer->rooms++;
}

static void on_h2_idle(void *ctx, struct gw_h2_client *client)
{
    struct gw_dialer *dialer = ctx;

    (void)client;
    dialer->idle++;
}

static void on_h2_closed(void *ctx, struct gw_h2_client *client)
{
    struct gw_dialer *dialer = ctx;

    (void)client;
    dialer->closed++;
    dialer->h2 = NULL;
}

static const struct gw_h2_client_events h2_dialer_events = {
    .on_room_for_streams = on_h2_room,
    .on_idle = on_h2_idle,
    .on_closed = on_h2_closed,
};

struct gw_dialer *gw_dialer_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits);

struct gw_dialer *gw_dialer_new_h2(struct gw_conn *conn, const struct gw_h2_limits *limits)
{
    struct gw_dialer *dialer = gw_alloc_zero(sizeof(*dialer));

    dialer->h2 = gw_h2_client_new(conn, limits, &h2_dialer_events, dialer);
    return dialer;
}

void gw_dialer_free(struct gw_dialer *dialer)
{
    if (dialer->h2)
        gw_h2_client_close(dialer->h2);
    if (dialer->client)
        gw_h1_client_close(dialer->client);
    gw_free(dialer);
}
