/* What the codec refuses never becomes an exchange: it gets an answer where one can be read, its
 * log line and its count, and the connection ends. No hook sees it. */
#include "http/grpc.h"
#include "http/h1.h"
#include "http/problem.h"
#include "net/loop.h"
#include "proxy/flight.h"

/* As much of an exchange as an answer and a log line need. The peer is the stream's, where there is
 * one. */
static struct gw_exchange *make_bare(struct gw_proxy *proxy, struct gw_stream *down,
                                     struct gw_arena *arena, const struct gw_head *head,
                                     const struct gw_addr *peer)
{
    struct gw_flight *flight = gw_arena_alloc_zero(arena, sizeof(*flight));
    struct gw_exchange *x = &flight->x;

    x->proxy = proxy;
    x->loop = proxy->options.loop;
    x->config = proxy->epoch->config;
    x->limits = &x->config->limits;
    x->arena = arena;
    x->down = down;
    if (peer)
        x->peer = *peer;
    x->request = *head;
    x->grpc = gw_grpc_asks(head);
    x->grpc_status = GW_GRPC_NONE;
    if (x->request.path.len == 0)
        x->request.path = head->raw_target;
    x->times.wall_us = x->loop->clock.wall_us;
    x->times.start = x->times.end = x->loop->clock.now_us;
    gw_flight_identify(flight);
    return x;
}

void gw_proxy_on_dropped(struct gw_proxy *proxy, const struct gw_addr *peer, enum gw_error why)
{
    const struct gw_head nothing = { .body_length = GW_BODY_NONE };
    struct gw_arena *arena = gw_arena_new();
    struct gw_exchange *x = make_bare(proxy, NULL, arena, &nothing, peer);

    x->error = why;
    x->response.status = gw_error_info(why)->status;
    gw_refusal_record(proxy, x);
    gw_tls_facts_unref(x->tls);
    gw_arena_free(arena);
}

void gw_proxy_on_handshake(struct gw_proxy *proxy, const struct gw_conn *conn,
                           enum gw_tls_failure failure)
{
    const struct gw_tls *tls = failure ? NULL : gw_conn_tls(conn);

    gw_count_handshake(&proxy->counters, failure, tls ? gw_tls_facts(tls) : NULL);
}

static void send_call(struct gw_exchange *x, enum gw_error why)
{
    gw_grpc_answer(&x->response, x->arena, gw_slice_from(gw_error_info(why)->text), why);
    x->grpc_status = gw_grpc_status_in(&x->response.fields);
    gw_stream_send_head(x->down, &x->response, true);
}

static void answer(struct gw_exchange *x, enum gw_error why)
{
    struct gw_reply *reply = gw_problem_from_error(x, why);
    struct gw_slice body = gw_blob_slice(reply->body);

    x->response = (struct gw_head){
        .status = reply->status,
        .version = 11,
        .fields = reply->fields,
        .body_length = (int64_t)body.len,
    };
    if (x->grpc) {
        send_call(x, why);
    } else if (x->request.method == GW_METHOD_HEAD && x->request.method_name.len) {
        gw_stream_send_head(x->down, &x->response, true);
    } else {
        gw_stream_send_head(x->down, &x->response, false);
        gw_stream_send_body(x->down, body, reply->body, true);
        x->counts.bytes_out = body.len;
    }
    gw_blob_unref(reply->body);
}

void gw_proxy_on_refused(struct gw_proxy *proxy, struct gw_stream *down, struct gw_arena *arena,
                         struct gw_head *head, enum gw_error why)
{
    if (gw_error_info(why)->status == 0) { /* nobody asked anything */
        gw_stream_close(down, why);
        gw_arena_free(arena);
        return;
    }

    struct gw_exchange *x = make_bare(proxy, down, arena, head, NULL);

    x->error = why;
    if (gw_error_info(why)->status != 499)
        answer(x, why);
    gw_stream_close(down, why);
    gw_refusal_record(proxy, x);
    gw_tls_facts_unref(x->tls);
    gw_arena_free(arena);
}
