/* What /status says of breakers and targets that are out: how many, and the first ones by name. */
#include "base/json.h"
#include "server/server.h"
#include "server/status.h"
#include "upstream/registry.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NAMED_MAX 20

struct looking {
    struct gw_buf names; /* JSON strings */
    unsigned named;
    unsigned breakers, open, half_open;
    unsigned targets, unhealthy, ejected, unchecked, panics;
    struct gw_slice upstream;
};

static void name(struct looking *looking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void name(struct looking *looking, const char *format, ...)
{
    char text[512];
    va_list args;

    if (looking->named++ >= NAMED_MAX)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (looking->named > 1)
        gw_buf_append_char(&looking->names, ',');
    gw_json_string(&looking->names, gw_slice_from(text));
}

static void on_breaker(const struct gw_breaker_info *info, void *ctx)
{
    struct looking *looking = ctx;
    enum gw_breaker_state state = info->look.state;

    looking->breakers++;
    looking->open += state == GW_BREAKER_OPEN;
    looking->half_open += state == GW_BREAKER_HALF_OPEN;
    if (state != GW_BREAKER_CLOSED)
        name(looking, "%s %.*s: circuit breaker is %s", info->of_route ? "route" : "service",
             GW_SLICE_ARG(info->name), gw_breaker_state_text(state));
}

static void on_upstream(const struct gw_upstream_info *info, void *ctx)
{
    struct looking *looking = ctx;

    looking->panics += info->mood == GW_BALANCE_PANIC;
    if (info->mood == GW_BALANCE_PANIC)
        name(looking, "upstream %.*s: panic", GW_SLICE_ARG(info->name));
}

static void on_target(const struct gw_target_info *info, void *ctx)
{
    struct looking *looking = ctx;

    looking->targets++;
    if (strcmp(info->state, "healthy") == 0)
        return;
    looking->unhealthy += strcmp(info->state, "unhealthy") == 0;
    looking->ejected += strcmp(info->state, "ejected") == 0;
    looking->unchecked += strcmp(info->state, "unchecked") == 0;
    name(looking, "upstream %.*s: target %.*s (%.*s) is %s (%s%s%s)", GW_SLICE_ARG(info->upstream),
         GW_SLICE_ARG(info->target), GW_SLICE_ARG(info->address), info->state,
         info->by[0] ? info->by : "no check yet", info->why[0] ? ": " : "", info->why);
}

void gw_status_write_failing(struct gw_buf *out, struct gw_server *server)
{
    const struct gw_upstream_visitor visitor = { on_upstream, on_target };
    uint64_t now_us = server->loop->clock.now_us;
    struct looking looking = { .named = 0 };

    gw_buf_init(&looking.names, out->max);
    gw_registry_breakers(server->registry, now_us, on_breaker, &looking);
    gw_registry_upstreams(server->registry, now_us, &visitor, &looking);
    gw_buf_printf(out,
                  "\"breakers\":{\"all\":%u,\"open\":%u,\"halfOpen\":%u},"
                  "\"health\":{\"targets\":%u,\"unhealthy\":%u,\"ejected\":%u,\"unchecked\":%u,"
                  "\"panics\":%u},\"failing\":[",
                  looking.breakers, looking.open, looking.half_open, looking.targets,
                  looking.unhealthy, looking.ejected, looking.unchecked, looking.panics);
    gw_buf_append(out, gw_buf_slice(&looking.names));
    gw_buf_append_char(out, ']');
    gw_buf_deinit(&looking.names);
}
