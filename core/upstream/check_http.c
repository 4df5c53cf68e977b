/* One GET as a call of its own, on a fresh connection. The head says how it ended, or where a text
 * must be in the body, the first bytes of that; nobody waits for the rest. */
#include "base/alloc.h"
#include "base/arena.h"
#include "upstream/call.h"
#include "upstream/checks_private.h"

#define BODY_MAX (64 * 1024) /* of what is looked through */

static void finish(struct gw_check *check, enum gw_error error)
{
    gw_check_done(check, gw_health_report_of(&check->plan->check->counts, check->status, error));
}

static bool has_text(const struct gw_check *check)
{
    struct gw_slice text = check->plan->check->body, body = gw_buf_slice(&check->body);

    return memmem(body.ptr ? body.ptr : "", body.len, text.ptr, text.len) != NULL;
}

/* As much of the body as is looked at came. */
static void look_at_body(struct gw_check *check)
{
    if (has_text(check))
        finish(check, GW_OK);
    else
        gw_check_done(check, GW_HEALTH_HTTP_FAILURE);
}

static bool wants_text(const struct gw_check *check)
{
    const struct gw_check_config *config = check->plan->check;

    return config->body.len > 0 &&
           gw_health_report_of(&config->counts, check->status, GW_OK) == GW_HEALTH_SUCCESS;
}

static void on_head(void *owner, struct gw_head *head, bool end)
{
    struct gw_check *check = owner;

    if (head->status < 200 && head->status != 101)
        return;
    check->status = head->status;
    if (!wants_text(check))
        finish(check, GW_OK);
    else if (end)
        look_at_body(check);
}

static void on_body(void *owner, struct gw_slice bytes, bool end)
{
    struct gw_check *check = owner;
    size_t room = BODY_MAX - check->body.len;

    gw_buf_append(&check->body, gw_slice(bytes.ptr, bytes.len < room ? bytes.len : room));
    if (end || check->body.len >= BODY_MAX || has_text(check))
        look_at_body(check);
}

static void on_trailers(void *owner, struct gw_fields *trailers)
{
    (void)trailers;
    look_at_body(owner);
}

static void on_room(void *owner)
{
    (void)owner; /* nothing is sent but the head */
}

static void on_end(void *owner, enum gw_error why)
{
    struct gw_check *check = owner;

    check->status = 0;
    finish(check, why ? why : GW_E_RESET);
}

static const struct gw_stream_events events = {
    .on_head = on_head,
    .on_body = on_body,
    .on_trailers = on_trailers,
    .on_room = on_room,
    .on_end = on_end,
};

static void write_head(const struct gw_check *check, struct gw_head *head)
{
    const struct gw_check_config *config = check->plan->check;
    const struct gw_target_set *set = check->group->set;
    const char *mark = memchr(config->path.ptr, '?', config->path.len);
    size_t path_len = mark ? (size_t)(mark - config->path.ptr) : config->path.len;

    *head = (struct gw_head){
        .method = GW_METHOD_GET,
        .method_name = GW_SLICE("GET"),
        .scheme = GW_SLICE("http"),
        .authority = set->how.host_header.len ? set->how.host_header : check->target->authority,
        .path = gw_slice(config->path.ptr, path_len),
        .query = gw_slice_skip(config->path, path_len + 1),
        .has_query = mark != NULL,
        .version = 11,
        .body_length = GW_BODY_NONE,
    };
    for (unsigned i = 0; i < config->field_count; i++)
        gw_fields_add(&head->fields, check->arena, config->fields[i].name, config->fields[i].value);
    if (!gw_fields_get(&head->fields, GW_SLICE("user-agent")))
        gw_fields_add(&head->fields, check->arena, GW_SLICE("user-agent"),
                      GW_SLICE("moongate-health-check"));
}

static void start(struct gw_check *check)
{
    struct gw_checks *checks = check->group->checks;
    uint64_t timeout_us = check->plan->check->timeout_us;
    struct gw_head head;

    check->arena = gw_arena_new();
    check->status = 0;
    gw_buf_init(&check->body, BODY_MAX);
    check->service = (struct gw_service){
        .connect_timeout_us = timeout_us,
        .write_timeout_us = timeout_us,
        .read_timeout_us = timeout_us,
        .response_timeout_us = timeout_us,
    };

    struct gw_call_options options = {
        .loop = checks->loop,
        .pool = checks->pool,
        .arena = check->arena,
        .service = &check->service,
        .target_host = check->target->authority,
        .target_addr = &check->target->addr,
        .correlation_id = GW_SLICE("health-check"),
    };

    write_head(check, &head);
    check->call = gw_call_open(&options);
    gw_stream_bind(check->call, &events, check);
    gw_stream_send_head(check->call, &head, true);
}

static void end(struct gw_check *check)
{
    if (check->call)
        gw_stream_close(check->call, GW_E_CANCELLED);
    check->call = NULL;
    gw_arena_free(check->arena);
    check->arena = NULL;
    gw_buf_deinit(&check->body);
}

const struct gw_check_kind gw_check_http = { start, end };
