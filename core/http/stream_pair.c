/* An end has an inbox of what its peer sent. Operations only put items into the peer's inbox;
 * everything is told in the end's own deferred call, one item after the other, as long as the owner
 * does not hold. */
#include "http/stream_pair.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/list.h"

#define INBOX_MAX (64 * 1024) /* of body bytes; a sender then waits for room */

enum item_kind {
    ITEM_HEAD,
    ITEM_BODY,
    ITEM_TRAILERS,
};

struct item {
    struct gw_list_node node;
    enum item_kind kind;
    bool end;
    struct gw_head *head; /* in the receiver's arena */
    struct gw_fields *trailers;
    size_t len;
    char bytes[];
};

struct end {
    struct gw_stream stream;
    struct gw_stream_pair *pair;
    bool is_server;
    struct gw_defer work;
    struct gw_list inbox;
    size_t inbox_bytes;
    enum gw_error why; /* for on_end; GW_OK: nothing failed */
    int64_t remaining; /* of the body being sent; < 0: not declared */
    bool open, held, failed;
    bool hears_head; /* the final one was told */
    bool in_done, out_started, out_ended, out_no_body;
    bool tunnel, wants_room, peer_gone;
};

struct gw_stream_pair {
    struct gw_loop *loop;
    struct gw_defer free;
    struct end client, server;
    enum gw_method method; /* of the request */
    bool asks_upgrade;
};

static const struct gw_stream_ops pair_ops;

static void work(struct gw_defer *defer);

static struct end *end_of(struct gw_stream *stream)
{
    return container_of(stream, struct end, stream);
}

static struct end *peer_of(struct end *end)
{
    return end->is_server ? &end->pair->client : &end->pair->server;
}

static void schedule(struct end *end)
{
    if (end->open)
        gw_loop_defer(end->pair->loop, &end->work, work);
}

static void fail(struct end *end, enum gw_error why)
{
    if (!end->open || end->why)
        return;
    end->why = why;
    schedule(end);
}

/* ── telling ───────────────────────────────────────────────────────────────── */

/* What the peer's leaving means. A server has nothing to finish for a client that is gone; a client
 * hears what was on its way. */
static enum gw_error name_loss(const struct end *end)
{
    if (end->is_server)
        return end->in_done ? GW_E_CLIENT_GONE : GW_E_BODY_CUT;
    return end->hears_head ? GW_E_UPSTREAM_CUT : GW_E_RESET;
}

static void tell_item(struct end *end, struct item *item)
{
    const struct gw_stream_events *events = end->stream.events;
    void *owner = end->stream.owner;

    end->in_done = end->in_done || item->end;
    switch (item->kind) {
    case ITEM_HEAD:
        end->hears_head = end->hears_head || item->head->status >= 200 || item->head->status == 101;
        events->on_head(owner, item->head, item->end);
        break;
    case ITEM_BODY:
        events->on_body(owner, gw_slice(item->bytes, item->len), item->end);
        break;
    case ITEM_TRAILERS:
        events->on_trailers(owner, item->trailers);
        break;
    }
}

/* True when one was told. */
static bool tell_next(struct end *end)
{
    struct gw_list_node *node = gw_list_first(&end->inbox);
    struct item *item = node ? container_of(node, struct item, node) : NULL;

    if (!item || (end->held && item->kind != ITEM_HEAD))
        return false;
    gw_list_remove(node);
    end->inbox_bytes -= item->len;
    tell_item(end, item);
    gw_free(item);
    return true;
}

static void tell_room(struct end *end)
{
    if (!end->open || !end->wants_room || peer_of(end)->inbox_bytes > INBOX_MAX / 2)
        return;
    end->wants_room = false;
    end->stream.events->on_room(end->stream.owner);
}

static void work(struct gw_defer *defer)
{
    struct end *end = container_of(defer, struct end, work);

    if (!end->stream.events)
        return;
    while (end->open && !end->why && tell_next(end))
        ;
    if (peer_of(end)->wants_room)
        schedule(peer_of(end));
    if (!end->open)
        return;
    if (!end->why && end->peer_gone && !end->in_done && gw_list_empty(&end->inbox))
        end->why = name_loss(end);
    if (end->why && !end->failed) {
        end->failed = true;
        end->stream.events->on_end(end->stream.owner, end->why);
    } else if (!end->why) {
        tell_room(end);
    }
}

/* ── sending ───────────────────────────────────────────────────────────────── */

static void put(struct end *from, enum item_kind kind, struct gw_slice bytes, bool end,
                struct gw_head *head, struct gw_fields *trailers)
{
    struct end *to = peer_of(from);

    if (!to->open)
        return;
    struct item *item = gw_alloc_zero(sizeof(*item) + bytes.len);

    item->kind = kind;
    item->end = end;
    item->head = head;
    item->trailers = trailers;
    item->len = bytes.len;
    if (bytes.len)
        memcpy(item->bytes, bytes.ptr, bytes.len);
    to->inbox_bytes += bytes.len;
    gw_list_append(&to->inbox, &item->node);
    schedule(to);
}

static void open_tunnel(struct end *end)
{
    end->tunnel = true;
    end->in_done = end->out_ended = end->out_no_body = false;
    end->out_started = true;
    end->remaining = -1;
}

static bool opens_tunnel(const struct gw_stream_pair *pair, int status)
{
    return status == 101 || (pair->method == GW_METHOD_CONNECT && status >= 200 && status < 300);
}

static void send_head(struct gw_stream *stream, const struct gw_head *head, bool end)
{
    struct end *from = end_of(stream);
    struct end *to = peer_of(from);
    struct gw_stream_pair *pair = from->pair;
    bool final = !from->is_server || head->status >= 200 || head->status == 101;

    if (from->why)
        return;
    if (from->out_started || (head->status == 101 && from->is_server && !pair->asks_upgrade)) {
        fail(from, GW_E_INTERNAL);
        return;
    }
    from->out_started = final;
    from->out_ended = final && end;
    from->remaining = head->body_length;
    if (!from->is_server) {
        pair->method = head->method;
        pair->asks_upgrade = head->protocol.len > 0;
    } else if (final && !opens_tunnel(pair, head->status)) {
        from->out_no_body = gw_status_has_no_body(head->status, pair->method);
    }
    if (to->open)
        put(from, ITEM_HEAD, GW_SLICE_EMPTY, final && (end || from->out_no_body),
            gw_head_copy(head, to->stream.arena), NULL);
    if (from->is_server && final && opens_tunnel(pair, head->status)) {
        open_tunnel(from);
        open_tunnel(to);
    }
}

/* Where the declared length is not kept. */
static bool is_wrong(const struct end *from, size_t len, bool end)
{
    if (from->remaining < 0 || from->out_no_body)
        return false;
    return (uint64_t)len > (uint64_t)from->remaining ||
           (end && (uint64_t)len != (uint64_t)from->remaining);
}

static bool send_body(struct gw_stream *stream, struct gw_slice bytes, struct gw_blob *owner,
                      bool end)
{
    struct end *from = end_of(stream);

    (void)owner;
    if (from->why || (from->out_started && from->out_ended) || (bytes.len == 0 && !end))
        return true;
    if (!from->out_started || is_wrong(from, bytes.len, end)) {
        fail(from, GW_E_INTERNAL);
        return true;
    }
    from->out_ended = end;
    if (from->out_no_body)
        return true;
    if (from->remaining >= 0)
        from->remaining -= (int64_t)bytes.len;
    put(from, ITEM_BODY, bytes, end, NULL, NULL);
    from->wants_room = peer_of(from)->inbox_bytes > INBOX_MAX;
    return !from->wants_room;
}

static void send_trailers(struct gw_stream *stream, const struct gw_fields *trailers)
{
    struct end *from = end_of(stream);
    struct end *to = peer_of(from);

    if (from->why || !from->out_started || from->out_ended || from->out_no_body ||
        from->remaining >= 0 || from->tunnel || !to->open) {
        send_body(stream, GW_SLICE_EMPTY, NULL, true);
        return;
    }
    struct gw_fields *copy = gw_arena_alloc_zero(to->stream.arena, sizeof(*copy));

    gw_fields_copy_deep(copy, to->stream.arena, trailers);
    from->out_ended = true;
    put(from, ITEM_TRAILERS, GW_SLICE_EMPTY, true, NULL, copy);
}

static void hold(struct gw_stream *stream, bool on)
{
    struct end *end = end_of(stream);

    end->held = on;
    if (!on)
        schedule(end);
}

/* ── closing ───────────────────────────────────────────────────────────────── */

static void run_free(struct gw_defer *defer)
{
    gw_free(container_of(defer, struct gw_stream_pair, free));
}

static void answer_bare(struct end *server, int status)
{
    struct gw_head head = { .status = status, .version = 11, .body_length = 0 };

    server->why = GW_OK;
    send_head(&server->stream, &head, true);
}

static void drop_inbox(struct end *end)
{
    GW_LIST_EACH(&end->inbox, node) {
        gw_list_remove(node);
        gw_free(container_of(node, struct item, node));
    }
    end->inbox_bytes = 0;
}

static void close_end(struct gw_stream *stream, enum gw_error why)
{
    struct end *end = end_of(stream);
    struct end *peer = peer_of(end);
    int status = gw_error_info(why)->status;

    if (end->is_server && !end->out_started && status && status != 499)
        answer_bare(end, status);
    drop_inbox(end);
    gw_defer_cancel(&end->work);
    end->open = false;
    end->stream.events = NULL;
    if (!peer->open) {
        gw_loop_defer(end->pair->loop, &end->pair->free, run_free);
        return;
    }
    peer->peer_gone = true;
    if (peer->is_server && !(end->in_done && end->out_ended && why == GW_OK))
        fail(peer, name_loss(peer));
    schedule(peer);
}

static const struct gw_stream_ops pair_ops = {
    .send_head = send_head,
    .send_body = send_body,
    .send_trailers = send_trailers,
    .hold = hold,
    .close = close_end,
};

static void init_end(struct end *end, struct gw_stream_pair *pair, bool is_server,
                     struct gw_arena *arena)
{
    end->stream.ops = &pair_ops;
    end->stream.arena = arena;
    end->pair = pair;
    end->is_server = is_server;
    end->open = true;
    end->remaining = -1;
    gw_list_init(&end->inbox);
}

void gw_stream_pair_open(struct gw_loop *loop, struct gw_arena *client_arena,
                         struct gw_arena *server_arena, struct gw_stream **client,
                         struct gw_stream **server)
{
    struct gw_stream_pair *pair = gw_alloc_zero(sizeof(*pair));

    pair->loop = loop;
    init_end(&pair->client, pair, false, client_arena);
    init_end(&pair->server, pair, true, server_arena);
    *client = &pair->client.stream;
    *server = &pair->server.stream;
}
