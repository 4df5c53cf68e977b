/* Every endpoint is a row of one table and a handler below it. A handler answers with
 * gw_admin_answer(), at once or later. */
#include "server/admin.h"

#include "base/alloc.h"
#include "base/json.h"
#include "server/admin_http.h"
#include "server/admin_upstreams.h"
#include "server/runtime_dir.h"
#include "server/server.h"
#include "server/status.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define BODY_MAX (256 * 1024 * 1024)

struct place {
    struct gw_admin_listener *listener; /* NULL: none */
    char *written;                      /* the configured address */
};

struct gw_admin {
    struct gw_server *server;
    struct place places[GW_ADMIN_ROLES];
    char *token;
};

struct endpoint {
    const char *method,
        *path;       /* a path that ends with "/" is the beginning of those that are meant */
    bool for_probes; /* on the status listener, too */
    void (*handle)(struct gw_admin *admin, struct gw_admin_request *request);
};

static void get_status(struct gw_admin *admin, struct gw_admin_request *request);
static void get_breakers(struct gw_admin *admin, struct gw_admin_request *request);
static void get_upstreams(struct gw_admin *admin, struct gw_admin_request *request);
static void post_target(struct gw_admin *admin, struct gw_admin_request *request);
static void post_breaker(struct gw_admin *admin, struct gw_admin_request *request);
static void get_config(struct gw_admin *admin, struct gw_admin_request *request);
static void post_reload(struct gw_admin *admin, struct gw_admin_request *request);
static void get_metrics(struct gw_admin *admin, struct gw_admin_request *request);
static void get_live(struct gw_admin *admin, struct gw_admin_request *request);
static void get_ready(struct gw_admin *admin, struct gw_admin_request *request);

static const struct endpoint endpoints[] = {
    { "GET", "/status", false, get_status },       { "GET", "/config", false, get_config },
    { "POST", "/reload", false, post_reload },     { "GET", "/metrics", true, get_metrics },
    { "GET", "/health/live", true, get_live },     { "GET", "/health/ready", true, get_ready },
    { "GET", "/breakers", false, get_breakers },   { "GET", "/upstreams", false, get_upstreams },
    { "POST", "/upstreams/", false, post_target }, { "POST", "/breakers/", false, post_breaker },
};

/* --- handlers --- */

static void get_status(struct gw_admin *admin, struct gw_admin_request *request)
{
    struct gw_buf out;

    gw_buf_init(&out, BODY_MAX);
    gw_status_write(&out, admin->server);
    gw_admin_answer(request, 200, "application/json", gw_buf_slice(&out));
    gw_buf_deinit(&out);
}

static void get_breakers(struct gw_admin *admin, struct gw_admin_request *request)
{
    struct gw_buf out;

    gw_buf_init(&out, BODY_MAX);
    gw_status_write_breakers(&out, admin->server);
    gw_admin_answer(request, 200, "application/json", gw_buf_slice(&out));
    gw_buf_deinit(&out);
}

static void get_upstreams(struct gw_admin *admin, struct gw_admin_request *request)
{
    gw_admin_show_upstreams(admin->server, request);
}

static void post_target(struct gw_admin *admin, struct gw_admin_request *request)
{
    gw_admin_order_target(admin->server, request);
}

static void post_breaker(struct gw_admin *admin, struct gw_admin_request *request)
{
    gw_admin_close_breaker(admin->server, request);
}

static void get_config(struct gw_admin *admin, struct gw_admin_request *request)
{
    const struct gw_config *config = gw_reloader_config(admin->server->reloader);

    if (config)
        gw_admin_answer(request, 200, "application/json", config->shown);
    else
        gw_admin_refuse(request, 503, "no configuration is loaded yet");
}

/* A POST /reload on its way: the answer comes with the commit, or with what is wrong. */
struct reload {
    struct gw_reload_waiter waiter;
    struct gw_admin_request *request;
};

static void on_reloaded(struct gw_reload_waiter *waiter, const struct gw_reload_result *result)
{
    struct reload *reload = container_of(waiter, struct reload, waiter);
    struct gw_buf out;

    gw_buf_init(&out, BODY_MAX);
    gw_buf_printf(&out, "{\"generation\":%" PRIu64, result->generation);
    if (!result->ok) {
        gw_buf_append(&out, GW_SLICE(",\"errors\":"));
        gw_status_write_texts(&out, result->errors, result->error_count);
    }
    gw_buf_append(&out, GW_SLICE("}\n"));
    gw_admin_answer(reload->request, result->ok ? 200 : 422, "application/json",
                    gw_buf_slice(&out));
    gw_buf_deinit(&out);
    gw_free(reload);
}

static void post_reload(struct gw_admin *admin, struct gw_admin_request *request)
{
    if (admin->server->state != GW_SERVER_SERVES) {
        gw_admin_refuse(request, 503, "the gateway starts or stops");
        return;
    }
    struct reload *reload = gw_alloc_zero(sizeof(*reload));

    reload->waiter.done = on_reloaded;
    reload->request = request;
    gw_reloader_ask(admin->server->reloader, "POST /reload", &reload->waiter);
}

static void get_metrics(struct gw_admin *admin, struct gw_admin_request *request)
{
    struct gw_buf out;

    gw_buf_init(&out, BODY_MAX);
    gw_status_write_metrics(&out, admin->server);
    gw_admin_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", gw_buf_slice(&out));
    gw_buf_deinit(&out);
}

static void get_live(struct gw_admin *admin, struct gw_admin_request *request)
{
    (void)admin;
    gw_admin_answer(request, 200, "application/json", GW_SLICE("{\"live\":true}\n"));
}

static void get_ready(struct gw_admin *admin, struct gw_admin_request *request)
{
    switch (admin->server->state) {
    case GW_SERVER_STARTS:
        gw_admin_answer(request, 503, "application/json",
                        GW_SLICE("{\"ready\":false,\"why\":\"starting\"}\n"));
        return;
    case GW_SERVER_SERVES:
        gw_admin_answer(request, 200, "application/json", GW_SLICE("{\"ready\":true}\n"));
        return;
    case GW_SERVER_DRAINS:
    case GW_SERVER_STOPPED:
        gw_admin_answer(request, 503, "application/json",
                        GW_SLICE("{\"ready\":false,\"why\":\"draining\"}\n"));
    }
}

/* --- who may --- */

/* Takes the same time whatever is wrong with the right length. */
static bool same_secret(struct gw_slice given, struct gw_slice secret)
{
    unsigned char different = 0;

    if (given.len != secret.len)
        return false;
    for (size_t i = 0; i < secret.len; i++)
        different |= (unsigned char)(given.ptr[i] ^ secret.ptr[i]);
    return different == 0;
}

static bool has_token(const struct gw_admin *admin, const struct gw_admin_request *request)
{
    const struct gw_slice *field = gw_fields_get(&request->head->fields, GW_SLICE("authorization"));
    const struct gw_slice scheme = GW_SLICE("bearer ");

    if (!admin->token)
        return true; /* a unix socket: its mode 0600 decides */
    if (!field || field->len < scheme.len ||
        !gw_slice_equal_nocase(gw_slice(field->ptr, scheme.len), scheme))
        return false;
    return same_secret(gw_slice_trim(gw_slice_skip(*field, scheme.len)),
                       gw_slice_from(admin->token));
}

/* A page in the operator's browser can make it send requests here under a name of its own (DNS
 * rebinding): only the address we listen on and "localhost" are names of ours. */
static bool is_our_name(const struct gw_admin_request *request)
{
    struct gw_slice authority = request->head->authority;
    struct gw_slice local = request->local, port = GW_SLICE_EMPTY;

    if (gw_slice_equal(authority, GW_SLICE("localhost")) || gw_slice_equal(authority, local))
        return true;
    for (size_t i = local.len; i > 0; i--) {
        if (local.ptr[i - 1] != ':')
            continue;
        port = gw_slice_skip(local, i - 1);
        break;
    }
    const struct gw_slice name = GW_SLICE("localhost");

    return authority.len == name.len + port.len && gw_slice_starts_with(authority, name) &&
           gw_slice_equal(gw_slice_skip(authority, name.len), port);
}

static bool is_meant(const struct endpoint *endpoint, struct gw_slice path)
{
    struct gw_slice own = gw_slice_from(endpoint->path);

    return own.ptr[own.len - 1] == '/' ? gw_slice_starts_with(path, own)
                                       : gw_slice_equal(own, path);
}

static void serve(struct gw_admin *admin, struct gw_admin_request *request, bool probe)
{
    const struct gw_head *head = request->head;
    struct gw_slice method = head->method == GW_METHOD_HEAD ? GW_SLICE("GET") : head->method_name;
    const struct endpoint *other = NULL; /* the path with another method */

    for (size_t i = 0; i < GW_ARRAY_LEN(endpoints); i++) {
        const struct endpoint *endpoint = &endpoints[i];

        if ((probe && !endpoint->for_probes) || !is_meant(endpoint, head->path))
            continue;
        if (gw_slice_equal(gw_slice_from(endpoint->method), method)) {
            endpoint->handle(admin, request);
            return;
        }
        other = endpoint;
    }
    if (other) {
        request->allow = other->method;
        gw_admin_refuse(request, 405, "this endpoint does not answer to that method");
        return;
    }
    gw_admin_refuse(request, 404, "no such endpoint");
}

static void on_admin_request(void *ctx, struct gw_admin_request *request)
{
    struct gw_admin *admin = ctx;

    if (!is_our_name(request))
        gw_admin_refuse(request, 421, "Host must be the admin listener's own address or localhost");
    else if (!has_token(admin, request))
        gw_admin_refuse(request, 401, "the admin token must come as Authorization: Bearer");
    else
        serve(admin, request, false);
}

static void on_status_request(void *ctx, struct gw_admin_request *request)
{
    serve(ctx, request, true);
}

/* --- listening --- */

/* Binds `written` in *fresh; the place is not touched yet. */
static bool open_place(struct gw_admin *admin, enum gw_admin_role role, struct gw_slice written,
                       struct gw_admin_listener **fresh, char *why, size_t why_size)
{
    gw_admin_handler handler = role == GW_ADMIN_FULL ? on_admin_request : on_status_request;
    const char *name = role == GW_ADMIN_FULL ? "admin" : "status";
    struct gw_addr addr;
    char text[256];

    if (!gw_addr_parse(&addr, written)) {
        snprintf(why, why_size, "%s.address: '%.*s' is not an address", name,
                 GW_SLICE_ARG(written));
        return false;
    }
    int fd = gw_socket_source_get(admin->server->ports.sockets, &addr, 0, text, sizeof(text));

    if (fd < 0) {
        snprintf(why, why_size, "%s.address: %s", name, text);
        return false;
    }
    *fresh = gw_admin_listener_open(admin->server->loop, fd, handler, admin);
    return *fresh != NULL;
}

static void close_place(struct gw_admin *admin, struct place *place)
{
    if (place->listener) {
        gw_socket_source_release(admin->server->ports.sockets,
                                 gw_admin_listener_addr(place->listener));
        gw_admin_listener_close(place->listener);
    }
    gw_free(place->written);
    *place = (struct place){ 0 };
}

static bool is_kept(const struct place *place, struct gw_slice written)
{
    return gw_slice_equal(gw_slice_from(place->written), written);
}

bool gw_admin_arrange(struct gw_admin *admin, const struct gw_config *config, char *why,
                      size_t why_size)
{
    struct gw_slice wanted[GW_ADMIN_ROLES] = { config->admin_address, config->status_address };
    struct gw_admin_listener *fresh[GW_ADMIN_ROLES] = { NULL };
    char usual[256];

    if (wanted[GW_ADMIN_FULL].len == 0) {
        if (!gw_runtime_socket(admin->server->config_path, true, usual, sizeof(usual), why,
                               why_size))
            return false;
        wanted[GW_ADMIN_FULL] = gw_slice_from(usual);
    }

    for (unsigned role = 0; role < GW_ADMIN_ROLES; role++) {
        if (is_kept(&admin->places[role], wanted[role]) || wanted[role].len == 0)
            continue;
        if (open_place(admin, role, wanted[role], &fresh[role], why, why_size))
            continue;
        if (fresh[0])
            gw_admin_listener_close(fresh[0]);
        return false;
    }
    for (unsigned role = 0; role < GW_ADMIN_ROLES; role++) {
        struct place *place = &admin->places[role];

        if (is_kept(place, wanted[role]))
            continue;
        close_place(admin, place);
        place->listener = fresh[role];
        place->written = wanted[role].len ? gw_strndup(wanted[role].ptr, wanted[role].len) : NULL;
    }
    gw_free(admin->token);
    admin->token = config->admin_token.len
                       ? gw_strndup(config->admin_token.ptr, config->admin_token.len)
                       : NULL;
    return true;
}

void gw_admin_retire(struct gw_admin *admin)
{
    for (unsigned role = 0; role < GW_ADMIN_ROLES; role++) {
        if (admin->places[role].listener)
            gw_admin_listener_close(admin->places[role].listener);
        gw_free(admin->places[role].written);
        admin->places[role] = (struct place){ 0 };
    }
}

bool gw_admin_address(const struct gw_admin *admin, enum gw_admin_role role,
                      char out[GW_ADDR_TEXT_MAX])
{
    if (!admin->places[role].listener)
        return false;
    gw_addr_format(gw_admin_listener_addr(admin->places[role].listener), out);
    return true;
}

struct gw_admin *gw_admin_new(struct gw_server *server)
{
    struct gw_admin *admin = gw_alloc_zero(sizeof(*admin));

    admin->server = server;
    return admin;
}

void gw_admin_free(struct gw_admin *admin)
{
    for (unsigned role = 0; role < GW_ADMIN_ROLES; role++) {
        struct place *place = &admin->places[role];

        if (place->listener) {
            gw_socket_source_release(admin->server->ports.sockets,
                                     gw_admin_listener_addr(place->listener));
            gw_admin_listener_abort(place->listener);
        }
        gw_free(place->written);
    }
    gw_free(admin->token);
    gw_free(admin);
}
