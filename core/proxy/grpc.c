/* Calls of gRPC on the request's way. To everybody else they are requests with bodies and trailers;
 * here is what they are told of errors, and when their time is over. */
#include "http/grpc.h"
#include "net/loop.h"
#include "proxy/flight.h"

void gw_flight_begin_grpc(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (!gw_grpc_asks(&x->request))
        return;
    x->grpc = true;
    flight->grpc_error = gw_grpc_timeout(&x->request.fields, &flight->deadline_us);
}

/* Never 0, which would be none at all. */
void gw_flight_pass_deadline(const struct gw_flight *flight, struct gw_fields *fields)
{
    const struct gw_exchange *x = &flight->x;
    uint64_t spent = x->loop->clock.now_us - x->times.start;
    uint64_t most = flight->deadline_us, total = x->limits->total_timeout_us;

    if (!most)
        return;
    if (total && total < most)
        most = total;
    gw_fields_set(fields, x->arena, GW_SLICE("grpc-timeout"),
                  gw_grpc_timeout_text(x->arena, most > spent ? most - spent : 1));
}

enum gw_error gw_flight_adopt_call(struct gw_flight *flight, struct gw_fields *fields)
{
    enum gw_error error = gw_grpc_timeout(fields, &flight->deadline_us);

    if (!error && flight->deadline_us) {
        gw_flight_start_total_timeout(flight);
        gw_flight_pass_deadline(flight, fields);
    }
    return error;
}

/* A head that is all of the answer: with a body behind it, be it empty, clients would look for the
 * status elsewhere. */
static bool is_trailers_only(const struct gw_flight *flight)
{
    const struct gw_exchange *x = &flight->x;

    return flight->response_ended && !x->received_trailers && !x->response_body_whole &&
           !x->response_body_replaced && gw_grpc_status_in(&x->response.fields) != GW_GRPC_NONE;
}

bool gw_flight_answer_call(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (x->grpc && !x->reply && !flight->replying && is_trailers_only(flight))
        return true;
    if (!x->grpc || !(x->reply || flight->replying) ||
        !gw_grpc_answer(&x->response, x->arena, flight->message, x->error))
        return false;
    x->grpc_status = gw_grpc_status_in(&x->response.fields);
    gw_flight_close_up(flight, GW_E_CANCELLED);
    return true;
}

/* Of a client that went away or does not read nobody could be told. */
void gw_flight_end_call(struct gw_flight *flight, enum gw_error why)
{
    struct gw_exchange *x = &flight->x;
    const struct gw_error_info *info = gw_error_info(why);
    struct gw_fields trailers = { NULL, 0, 0 };

    if (!x->grpc || !x->down || !x->response_started || flight->to_client.ended || !info->status ||
        info->status == 499)
        return;
    x->grpc_status = gw_grpc_status_of(info->status, why);
    gw_grpc_put_status(&trailers, x->arena, x->grpc_status, gw_slice_from(info->text));
    gw_stream_send_trailers(x->down, &trailers);
}

int gw_flight_grpc_status(const struct gw_flight *flight)
{
    const struct gw_exchange *x = &flight->x;
    int status = x->grpc_status;

    if (!x->grpc && !flight->speaks_grpc)
        return GW_GRPC_NONE;
    if (status == GW_GRPC_NONE && x->received_trailers)
        status = gw_grpc_status_in(x->received_trailers);
    if (status == GW_GRPC_NONE && x->response_started)
        status = gw_grpc_status_in(&x->response.fields);
    if (status == GW_GRPC_NONE && x->error)
        status = (int)gw_grpc_status_of(gw_error_info(x->error)->status, x->error);
    if (status != GW_GRPC_NONE)
        return status;
    /* An answer that is none of gRPC's. */
    return x->response.status == 200 ? GW_GRPC_UNKNOWN
                                     : (int)gw_grpc_status_of(x->response.status, GW_OK);
}
