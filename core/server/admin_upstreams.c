#include "server/admin_upstreams.h"

#include "http/uri.h"
#include "server/server.h"
#include "server/status.h"

#define BODY_MAX (256 * 1024 * 1024)

void gw_admin_show_upstreams(struct gw_server *server, struct gw_admin_request *request)
{
    struct gw_buf out;

    gw_buf_init(&out, BODY_MAX);
    gw_status_write_upstreams(&out, server);
    gw_admin_answer(request, 200, "application/json", gw_buf_slice(&out));
    gw_buf_deinit(&out);
}

/* What stands before the next "/" of the path; the path goes on behind it. */
static struct gw_slice next_part(struct gw_slice *path)
{
    const char *slash = memchr(path->ptr, '/', path->len);
    size_t len = slash ? (size_t)(slash - path->ptr) : path->len;
    struct gw_slice part = gw_slice(path->ptr, len);

    *path = gw_slice_skip(*path, slash ? len + 1 : len);
    return part;
}

/* /upstreams/NAME/targets/TARGET/healthy, or … /unhealthy. */
void gw_admin_order_target(struct gw_server *server, struct gw_admin_request *request)
{
    struct gw_slice path = gw_slice_skip(request->head->path, strlen("/upstreams/"));
    struct gw_slice name = next_part(&path), targets = next_part(&path);
    struct gw_slice target = next_part(&path);
    bool down = gw_slice_equal(path, GW_SLICE("unhealthy"));

    if (!gw_slice_equal(targets, GW_SLICE("targets")) ||
        (!down && !gw_slice_equal(path, GW_SLICE("healthy")))) {
        gw_admin_refuse(request, 404,
                        "the path is /upstreams/NAME/targets/TARGET/healthy or …/unhealthy");
        return;
    }
    int found = gw_registry_order_health(
        server->registry, gw_uri_decode(name, false, request->arena),
        gw_uri_decode(target, false, request->arena), down, &server->loop->clock);

    if (found > 0)
        gw_admin_answer(request, 204, "application/json", GW_SLICE_EMPTY);
    else
        gw_admin_refuse(request, 404,
                        found < 0 ? "no such upstream" : "the upstream has no such target");
}

/* /breakers/NAME/close */
void gw_admin_close_breaker(struct gw_server *server, struct gw_admin_request *request)
{
    struct gw_slice path = gw_slice_skip(request->head->path, strlen("/breakers/"));
    struct gw_slice name = next_part(&path);

    if (!gw_slice_equal(path, GW_SLICE("close")))
        gw_admin_refuse(request, 404, "the path is /breakers/NAME/close");
    else if (gw_registry_close_breakers(server->registry,
                                        gw_uri_decode(name, false, request->arena)) > 0)
        gw_admin_answer(request, 204, "application/json", GW_SLICE_EMPTY);
    else
        gw_admin_refuse(request, 404, "no service or route of that name has a circuit breaker");
}
