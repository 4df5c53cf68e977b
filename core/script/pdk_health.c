/* moongate.health: what is known of the targets of upstreams, and the operator's word in Lua. */
#include "base/json.h"
#include "config/config.h"
#include "script/modules.h"
#include "script/state.h"

#include <inttypes.h>
#include <string.h>

#define TEXT_MAX (16 * 1024 * 1024)

const char *gw_pdk_upstream_name(struct gw_script *script, int index, size_t *len)
{
    const struct gw_config *config = script->config;

    if (index < 0 || (unsigned)index >= config->upstream_count)
        return NULL;
    *len = config->upstreams[index].name.len;
    return config->upstreams[index].name.ptr;
}

static struct gw_upstream *find(struct gw_script *script, const char *name, size_t len, int *why)
{
    struct gw_upstream *upstream = NULL;

    *why = GW_PDK_HEALTH_EARLY;
    if (!script->registry || !script->loop)
        return NULL;
    upstream = gw_registry_find(script->registry, script->config, gw_slice(name, len));
    *why = GW_PDK_HEALTH_UNKNOWN;
    return upstream;
}

int gw_pdk_upstream_usable(struct gw_script *script, const char *name, size_t len)
{
    int why;
    struct gw_upstream *upstream = find(script, name, len, &why);

    return upstream ? gw_upstream_usable(upstream, script->loop->clock.now_us) : why;
}

/* ── a look ────────────────────────────────────────────────────────────────── */

struct looking {
    struct gw_buf out;
    bool later;
};

static void write_upstream(const struct gw_upstream_info *info, void *ctx)
{
    struct looking *looking = ctx;

    gw_buf_printf(&looking->out,
                  "{\"chooses\":\"%s\",\"panic_requests\":%" PRIu64 ",\"refused\":%" PRIu64
                  ",\"targets\":[",
                  gw_balance_why_text(info->mood), info->panicked, info->refused);
}

static void write_text(struct gw_buf *out, const char *field, struct gw_slice text)
{
    gw_buf_printf(out, "\"%s\":", field);
    gw_json_string(out, text);
    gw_buf_append_char(out, ',');
}

static void write_target(const struct gw_target_info *info, void *ctx)
{
    struct looking *looking = ctx;
    struct gw_buf *out = &looking->out;

    gw_buf_append(out, looking->later ? GW_SLICE(",{") : GW_SLICE("{"));
    looking->later = true;
    write_text(out, "target", info->target);
    write_text(out, "address", info->address);
    write_text(out, "state", gw_slice_from(info->state));
    if (info->by[0])
        write_text(out, "by", gw_slice_from(info->by));
    if (info->why[0])
        write_text(out, "why", gw_slice_from(info->why));
    if (info->since_us)
        gw_buf_printf(out, "\"since\":%.3f,", (double)info->since_us / 1e6);
    if (info->ejected_for_us)
        gw_buf_printf(out, "\"ejected_for\":%.3f,", (double)info->ejected_for_us / 1e6);
    gw_buf_printf(out,
                  "\"weight\":%u,\"priority\":%u,\"in_flight\":%u,\"successes\":%u,"
                  "\"http_failures\":%u,\"tcp_failures\":%u,\"timeouts\":%u}",
                  info->weight, info->priority, info->in_flight, info->look.successes,
                  info->look.http_failures, info->look.tcp_failures, info->look.timeouts);
}

double gw_pdk_upstream_look(struct gw_script *script, const char *name, size_t len, char *out,
                            size_t size)
{
    const struct gw_upstream_visitor visitor = { write_upstream, write_target };
    struct looking looking = { .later = false };
    int why;
    struct gw_upstream *upstream = find(script, name, len, &why);

    if (!upstream)
        return why;
    gw_buf_init(&looking.out, TEXT_MAX);
    gw_upstream_look(upstream, script->loop->clock.now_us, &visitor, &looking);
    gw_buf_append(&looking.out, GW_SLICE("]}"));

    size_t length = looking.out.len;

    if (length <= size)
        memcpy(out, looking.out.data, length);
    gw_buf_deinit(&looking.out);
    return (double)length;
}

/* ── a word ────────────────────────────────────────────────────────────────── */

int gw_pdk_upstream_order(struct gw_script *script, const char *name, size_t len,
                          const char *target, size_t target_len, int down)
{
    int why;

    if (!find(script, name, len, &why))
        return why;
    return gw_registry_order_health(script->registry, gw_slice(name, len),
                                    gw_slice(target, target_len), down != 0, &script->loop->clock);
}
