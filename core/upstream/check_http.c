/* One GET as a call of its own, on a fresh connection. The head says how it ended, or where a text
 * must be in the body, the first bytes of that; nobody waits for the rest. */
#include "base/arena.h"
#include "http/uri.h"
#include "upstream/call.h"
#include "upstream/checks_private.h"

#define BODY_MAX (64 * 1024) /* of what is looked through */
#define HEAD_MAX (32 * 1024)
#define FIELDS_MAX 100
#define KEPT_US 60000000 /* connections that speak HTTP/2 */

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

/* ── the call ──────────────────────────────────────────────────────────────── */

/* The port that goes without saying is not said. */
static struct gw_slice authority_of(const struct gw_check *check)
{
    const struct gw_target_set *set = check->group->set;
    const struct gw_slice port = GW_SLICE(":443");
    struct gw_slice name = check->target->authority;

    if (set->how.host_header.len)
        return set->how.host_header;
    if (check->plan->check->tls && name.len > port.len &&
        gw_slice_equal(gw_slice_skip(name, name.len - port.len), port))
        return gw_slice(name.ptr, name.len - port.len);
    return name;
}

void gw_check_call_begin(struct gw_check *check, struct gw_head *head)
{
    const struct gw_check_config *config = check->plan->check;

    check->arena = gw_arena_new();
    check->status = 0;
    gw_buf_init(&check->body, BODY_MAX);
    head->scheme = config->tls ? GW_SLICE("https") : GW_SLICE("http");
    head->authority = authority_of(check);
    for (unsigned i = 0; i < config->field_count; i++)
        gw_fields_add(&head->fields, check->arena, config->fields[i].name, config->fields[i].value);
    if (!gw_fields_get(&head->fields, GW_SLICE("user-agent")))
        gw_fields_add(&head->fields, check->arena, GW_SLICE("user-agent"),
                      GW_SLICE("moongate-health-check"));
}

void gw_check_call_send(struct gw_check *check, const struct gw_head *head, struct gw_slice body,
                        const struct gw_stream_events *call_events)
{
    const struct gw_check_config *config = check->plan->check;
    struct gw_checks *checks = check->group->checks;

    check->service = (struct gw_service){
        .connect_timeout_us = config->timeout_us,
        .write_timeout_us = config->timeout_us,
        .read_timeout_us = config->timeout_us,
        .response_timeout_us = config->timeout_us,
        .http2 = config->http2,
        .proxy_protocol = config->proxy_protocol,
        .keepalive_connections = config->http2,
        .keepalive_idle_us = KEPT_US,
        .limits = { .head = HEAD_MAX, .headers = FIELDS_MAX, .write_queue = BODY_MAX },
    };
    if (config->tls) {
        check->tls.name = config->name.len ? config->name : gw_uri_host(head->authority, NULL);
        check->service.tls_config = &check->tls;
        check->service.tls = config->tls_client;
    }

    struct gw_call_options options = {
        .loop = checks->loop,
        .pool = checks->pool,
        .arena = check->arena,
        .service = &check->service,
        .target_host = check->target->authority,
        .target_addr = &check->target->addr,
        .body = body,
        .has_body = body.len > 0,
        .correlation_id = GW_SLICE("health-check"),
    };

    check->call = gw_call_open(&options);
    gw_stream_bind(check->call, call_events, check);
    gw_stream_send_head(check->call, head, true);
}

void gw_check_call_end(struct gw_check *check)
{
    if (check->call)
        gw_stream_close(check->call, GW_E_CANCELLED);
    check->call = NULL;
    gw_arena_free(check->arena);
    check->arena = NULL;
    gw_buf_deinit(&check->body);
}

static void start(struct gw_check *check)
{
    struct gw_slice path = check->plan->check->path;
    const char *mark = memchr(path.ptr, '?', path.len);
    size_t path_len = mark ? (size_t)(mark - path.ptr) : path.len;
    struct gw_head head = {
        .method = GW_METHOD_GET,
        .method_name = GW_SLICE("GET"),
        .path = gw_slice(path.ptr, path_len),
        .query = gw_slice_skip(path, path_len + 1),
        .has_query = mark != NULL,
        .version = 11,
        .body_length = GW_BODY_NONE,
    };

    gw_check_call_begin(check, &head);
    gw_check_call_send(check, &head, GW_SLICE_EMPTY, &events);
}

const struct gw_check_kind gw_check_http = { start, gw_check_call_end };
