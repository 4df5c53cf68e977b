#include "server/status.h"

#include "base/json.h"
#include "server/parent.h"
#include "server/server.h"

#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#define GENERATIONS_SHOWN 64

void gw_status_write_texts(struct gw_buf *out, char *const *texts, unsigned count)
{
    gw_buf_append_char(out, '[');
    for (unsigned i = 0; i < count; i++) {
        if (i)
            gw_buf_append_char(out, ',');
        gw_json_string(out, gw_slice_from(texts[i]));
    }
    gw_buf_append_char(out, ']');
}

void gw_status_write_time(struct gw_buf *out, int64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;

    if (wall_us == 0) {
        gw_buf_append(out, GW_SLICE("null"));
        return;
    }
    gmtime_r(&seconds, &tm);
    gw_buf_printf(out, "\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", tm.tm_year + 1900, tm.tm_mon + 1,
                  tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(wall_us / 1000 % 1000));
}

static const char *state_name(enum gw_server_state state)
{
    switch (state) {
    case GW_SERVER_STARTS:
        return "starting";
    case GW_SERVER_SERVES:
        return "serving";
    case GW_SERVER_DRAINS:
        return "draining";
    case GW_SERVER_STOPPED:
        return "stopped";
    }
    return "";
}

static void write_last_reload(struct gw_buf *out, const struct gw_reload_result *last)
{
    gw_buf_printf(out, "\"lastReload\":{\"ok\":%s,\"at\":", last->ok ? "true" : "false");
    gw_status_write_time(out, last->at_us);
    gw_buf_printf(out, ",\"tookMs\":%.1f,\"errors\":", (double)last->took_us / 1000);
    gw_status_write_texts(out, last->errors, last->error_count);
    gw_buf_append_char(out, '}');
}

static void write_generations(struct gw_buf *out, struct gw_generations *generations)
{
    struct gw_generation_info infos[GENERATIONS_SHOWN];
    unsigned count = gw_generations_alive(generations, infos, GENERATIONS_SHOWN);

    gw_buf_append(out, GW_SLICE("\"generations\":["));
    for (unsigned i = 0; i < count && i < GENERATIONS_SHOWN; i++) {
        gw_buf_printf(out, "%s{\"generation\":%" PRIu64 ",\"since\":", i ? "," : "",
                      infos[i].number);
        gw_status_write_time(out, infos[i].since_us);
        gw_buf_printf(out, ",\"scripts\":%u,\"luaBytes\":%" PRIu64 "}", infos[i].scripts,
                      infos[i].lua_bytes);
    }
    gw_buf_append_char(out, ']');
}

static void write_listeners(struct gw_buf *out, const struct gw_server *server)
{
    char text[GW_ADDR_TEXT_MAX];
    bool first = true;

    gw_buf_append(out, GW_SLICE("\"listeners\":["));
    GW_LIST_EACH(&server->ports.all, node) {
        struct gw_port *port = container_of(node, struct gw_port, node);

        if (!port->open)
            continue;
        size_t len = gw_addr_format(&port->addr, text);

        gw_buf_append(out, first ? GW_SLICE("{\"address\":") : GW_SLICE(",{\"address\":"));
        gw_json_string(out, gw_slice(text, len));
        gw_buf_printf(out, ",\"connections\":%u}",
                      atomic_load_explicit(&port->connections, memory_order_relaxed));
        first = false;
    }
    gw_buf_append_char(out, ']');
}

static void write_warnings(struct gw_buf *out, const struct gw_server *server)
{
    unsigned count;
    char *const *warnings = gw_reloader_warnings(server->reloader, &count);

    gw_buf_append(out, GW_SLICE("\"warnings\":"));
    gw_status_write_texts(out, warnings, count);
}

void gw_status_write(struct gw_buf *out, struct gw_server *server)
{
    gw_buf_printf(out,
                  "{\"version\":\"" GW_VERSION "\",\"state\":\"%s\",\"generation\":%" PRIu64
                  ",\"started\":",
                  state_name(server->state), gw_reloader_last(server->reloader)->generation);
    gw_status_write_time(out, server->started_us);
    gw_buf_printf(out, ",\"pid\":%d,\"workers\":%u,\"restarts\":%u,", (int)getpid(),
                  server->worker_count, gw_parent_restarts(server->parent));
    write_last_reload(out, gw_reloader_last(server->reloader));
    gw_buf_append_char(out, ',');
    write_generations(out, gw_reloader_generations(server->reloader));
    gw_buf_append_char(out, ',');
    write_listeners(out, server);
    gw_buf_append(out, GW_SLICE(",\"targets\":"));
    gw_registry_describe(server->registry, out);
    gw_buf_append_char(out, ',');
    gw_status_write_failing(out, server);
    gw_buf_append_char(out, ',');
    write_warnings(out, server);
    gw_buf_append(out, GW_SLICE("}\n"));
}
