/* One call of grpc.health.v1.Health/Check. Its answer is a message with one field, and a status in
 * the trailers; a server that does not know the service says NOT_FOUND there. */
#include "base/arena.h"
#include "upstream/checks_private.h"

#define PREFIX 5 /* of a message: whether it is compressed, and its length */
#define SERVICE_FIELD 0x0a
#define STATUS_FIELD 0x08
#define SERVING 1
#define ANSWER_MAX 256 /* what is longer is no answer of that kind */

/* HealthCheckRequest { string service = 1; }, in front of it the prefix. */
static struct gw_slice write_message(const struct gw_check *check)
{
    struct gw_slice service = check->plan->check->grpc_service;
    size_t len = service.len ? service.len + 2 : 0;
    char *message = gw_arena_alloc_zero(check->arena, PREFIX + len + 1);

    message[PREFIX - 1] = (char)len;
    if (service.len) {
        message[PREFIX] = SERVICE_FIELD;
        message[PREFIX + 1] = (char)service.len; /* at most 127: one byte */
        memcpy(message + PREFIX + 2, service.ptr, service.len);
    }
    return gw_slice(message, PREFIX + len);
}

/* HealthCheckResponse { ServingStatus status = 1; }: SERVING is its one byte. */
static bool says_serving(struct gw_slice body)
{
    const char wanted[] = { 0, 0, 0, 0, 2, STATUS_FIELD, SERVING };

    return body.len == sizeof(wanted) && memcmp(body.ptr, wanted, sizeof(wanted)) == 0;
}

static void finish(struct gw_check *check, const struct gw_fields *fields)
{
    const struct gw_slice *status = gw_fields_get(fields, GW_SLICE("grpc-status"));
    bool good = check->status == 200 && status && gw_slice_equal(*status, GW_SLICE("0")) &&
                says_serving(gw_buf_slice(&check->body));

    gw_check_done(check, good ? GW_HEALTH_SUCCESS : GW_HEALTH_HTTP_FAILURE);
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_check *check = owner;

    if (head->status < 200)
        return;
    check->status = head->status;
    if (end || head->status != 200) /* trailers alone; or somebody who speaks no gRPC */
        finish(check, &head->fields);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_check *check = owner;

    if (end || check->body.len + bytes.len > ANSWER_MAX)
        gw_check_done(check, GW_HEALTH_HTTP_FAILURE); /* a status has to follow */
    else
        gw_buf_append(&check->body, bytes);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    finish(owner, trailers);
}

static void on_room(void *owner)
{
    (void)owner; /* the whole body was given at once */
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_check *check = owner;

    gw_check_done(check,
                  gw_health_report_of(&check->plan->check->counts, 0, why ? why : GW_E_RESET));
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static void start(struct gw_check *check)
{
    struct gw_head head = {
        .method = GW_METHOD_POST,
        .method_name = GW_SLICE("POST"),
        .path = GW_SLICE("/grpc.health.v1.Health/Check"),
        .version = 11,
        .wants_trailers = true,
    };

    gw_check_call_begin(check, &head);
    gw_fields_add(&head.fields, check->arena, GW_SLICE("content-type"),
                  GW_SLICE("application/grpc"));

    struct gw_slice body = write_message(check);

    head.body_length = (int64_t)body.len;
    gw_check_call_send(check, &head, body, &events);
}

const struct gw_check_kind gw_check_grpc = { start, gw_check_call_end };
