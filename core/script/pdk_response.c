/* ctx.response and ctx.service.response: what came, what will be sent, and answering in the
 * service's place. */
#include "http/problem.h"
#include "http/trailer.h"
#include "script/pdk_common.h"
#include "script/phase_private.h"

#define TRAILERS_MAX 100

static struct gw_ctx *ctx_of(struct gw_pdk *h)
{
    return container_of(h, struct gw_ctx, pdk);
}

int gw_pdk_body(struct gw_pdk *h, int which)
{
    struct gw_exchange *x = h->x;

    if (which == GW_PDK_OF_REQUEST) {
        if (x->request_body_whole)
            return gw_pdk_put(h, gw_buf_slice(&x->request_body));
        return x->request.body_length == GW_BODY_NONE || x->request.body_length == 0
                   ? gw_pdk_put(h, GW_SLICE_EMPTY)
                   : 0;
    }
    if (which == GW_PDK_OF_RESPONSE && h->replied && x->reply && x->reply->open)
        return 2;
    if (which == GW_PDK_OF_RESPONSE && h->replied && x->reply)
        return gw_pdk_put(h, x->reply->body ? gw_blob_slice(x->reply->body) : GW_SLICE_EMPTY);
    if (which == GW_PDK_OF_RESPONSE && x->response_body_replaced)
        return gw_pdk_put(h, gw_buf_slice(&x->new_body));
    if (x->response_body_whole)
        return gw_pdk_put(h, gw_buf_slice(&x->response_body));
    return 0;
}

int gw_pdk_set_status(struct gw_pdk *h, int status)
{
    if (h->replied && h->x->reply) {
        h->x->reply->status = status;
        return GW_PDK_FINE;
    }
    h->x->response.status = status;
    h->x->response.reason = gw_slice_from(gw_status_reason(status));
    return GW_PDK_FINE;
}

int gw_pdk_set_response_body(struct gw_pdk *h, const char *body, size_t len)
{
    struct gw_exchange *x = h->x;

    if (h->replied && x->reply) {
        gw_blob_unref(x->reply->body);
        x->reply->body = gw_blob_new(gw_slice(body, len));
        x->reply->open = NULL;
        return GW_PDK_FINE;
    }
    gw_buf_deinit(&x->new_body);
    gw_buf_init(&x->new_body, SIZE_MAX);
    gw_buf_append(&x->new_body, gw_slice(body, len));
    x->response_body_replaced = true;
    return GW_PDK_FINE;
}

int gw_pdk_set_trailer(struct gw_pdk *h, const char *name, size_t name_len, const char *value,
                       size_t value_len)
{
    struct gw_arena *arena = h->x->arena;
    struct gw_slice lower = gw_pdk_field_name(arena, gw_slice(name, name_len), false);
    enum gw_pdk_verdict verdict = gw_pdk_check_field(lower, gw_slice(value, value_len));

    if (verdict)
        return verdict;
    if (!gw_trailer_allowed(lower))
        return GW_PDK_NOT_A_TRAILER;
    if (h->x->trailers.count >= TRAILERS_MAX)
        return GW_PDK_TOO_MANY;
    gw_fields_set(&h->x->trailers, arena, lower, gw_pdk_keep(h, value, value_len));
    return GW_PDK_FINE;
}

/* --- answering --- */

int gw_pdk_reply_new(struct gw_pdk *h, int status)
{
    struct gw_ctx *ctx = ctx_of(h);

    ctx->draft = gw_arena_alloc_zero(h->x->arena, sizeof(*ctx->draft));
    ctx->draft->status = status;
    return GW_PDK_FINE;
}

int gw_pdk_reply_header(struct gw_pdk *h, const char *name, size_t name_len, const char *value,
                        size_t value_len)
{
    struct gw_slice lower = gw_pdk_field_name(h->x->arena, gw_slice(name, name_len), false);
    enum gw_pdk_verdict verdict = gw_pdk_check_field(lower, gw_slice(value, value_len));

    if (!verdict)
        gw_fields_add(&ctx_of(h)->draft->fields, h->x->arena, lower,
                      gw_pdk_keep(h, value, value_len));
    return verdict;
}

/* Only calls of gRPC are told. */
int gw_pdk_reply_message(struct gw_pdk *h, const char *text, size_t len)
{
    const size_t most = 1024;

    if (h->x->grpc)
        ctx_of(h)->draft->message = gw_pdk_keep(h, text, len < most ? len : most);
    return GW_PDK_FINE;
}

static void answer(struct gw_pdk *h, struct gw_reply *reply)
{
    struct gw_exchange *x = h->x;

    if (x->reply)
        gw_blob_unref(x->reply->body);
    x->reply = reply;
    ctx_of(h)->draft = NULL;
    h->replied = 1;
}

void gw_pdk_reply_send(struct gw_pdk *h, const char *body, size_t len, const char *type,
                       size_t type_len)
{
    struct gw_reply *reply = ctx_of(h)->draft;

    if (len && reply->status != 204 && reply->status != 304)
        reply->body = gw_blob_new(gw_slice(body, len));
    if (type && reply->body && !gw_fields_get(&reply->fields, GW_SLICE("content-type")))
        gw_fields_add(&reply->fields, h->x->arena, GW_SLICE("content-type"),
                      gw_pdk_keep(h, type, type_len));
    answer(h, reply);
}

void gw_pdk_reply_stream(struct gw_pdk *h)
{
    answer(h, gw_produce(h->x, ctx_of(h)->draft, h->use));
}

static void answer_problem(struct gw_pdk *h, const struct gw_problem *what)
{
    const struct gw_reply *draft = ctx_of(h)->draft;
    struct gw_reply *problem = gw_problem_new(h->x, draft->status, what);

    for (unsigned i = 0; i < draft->fields.count; i++) {
        const struct gw_field *field = &draft->fields.items[i];

        if (!gw_slice_equal(field->name, GW_SLICE("content-type")))
            gw_fields_add(&problem->fields, h->x->arena, field->name, field->value);
    }
    answer(h, problem);
}

void gw_pdk_reply_problem(struct gw_pdk *h, const char *detail, size_t len)
{
    answer_problem(h, &(struct gw_problem){ .detail = gw_pdk_keep(h, detail, len) });
}

void gw_pdk_reply_problem_of(struct gw_pdk *h, const char *detail, size_t len, const char *type,
                             size_t type_len, const char *title, size_t title_len,
                             const char *reason, size_t reason_len, const char *more,
                             size_t more_len)
{
    answer_problem(h, &(struct gw_problem){
                          .type = gw_slice(type, type_len),
                          .title = gw_slice(title, title_len),
                          .detail = gw_pdk_keep(h, len ? detail : title, len ? len : title_len),
                          .reason = gw_slice(reason, reason_len),
                          .more = gw_slice(more, more_len),
                      });
}
