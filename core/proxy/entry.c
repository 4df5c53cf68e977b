/* The proxy of one worker: where requests come in and exchanges end, and the generations they
 * belong to. */
#include "base/alloc.h"
#include "base/log.h"
#include "http/grpc.h"
#include "net/loop.h"
#include "proxy/flight.h"
#include "proxy/mirror.h"
#include "script/phase.h"
#include "script/script.h"

#include <inttypes.h>

/* ── epochs ────────────────────────────────────────────────────────────────── */

static void tidy_epoch(struct gw_epoch *epoch)
{
    if (epoch->current)
        return;
    if (epoch->script_users == 0 && epoch->script) {
        gw_script_unref(epoch->script);
        epoch->script = NULL;
    }
    if (epoch->users > 0)
        return;
    gw_series_deinit(&epoch->series);
    gw_config_unref(epoch->config);
    gw_free(epoch);
}

static void retire_epoch(struct gw_proxy *proxy)
{
    struct gw_epoch *epoch = proxy->epoch;

    proxy->epoch = NULL;
    if (!epoch)
        return;
    epoch->current = false;
    tidy_epoch(epoch);
}

void gw_proxy_set_current(struct gw_proxy *proxy, struct gw_config *config,
                          struct gw_script *script)
{
    struct gw_epoch *epoch = gw_alloc_zero(sizeof(*epoch));

    epoch->config = gw_config_ref(config);
    epoch->script = script ? gw_script_ref(script) : NULL;
    epoch->current = true;
    gw_series_init(&epoch->series, config);
    if (script)
        gw_script_watch(script, &proxy->counters.watch);
    retire_epoch(proxy);
    proxy->epoch = epoch;
}

/* ── the proxy ─────────────────────────────────────────────────────────────── */

struct gw_proxy *gw_proxy_new(const struct gw_proxy_options *options)
{
    struct gw_proxy *proxy = gw_alloc_zero(sizeof(*proxy));

    proxy->options = *options;
    gw_counters_init(&proxy->counters, options->metrics, options->worker);
    gw_list_init(&proxy->flights);
    gw_list_init(&proxy->mirrors);
    return proxy;
}

void gw_proxy_free(struct gw_proxy *proxy)
{
    GW_ASSERT(gw_gauge_get(&proxy->active) == 0);
    gw_mirrors_end(proxy);
    retire_epoch(proxy);
    gw_free(proxy);
}

unsigned gw_proxy_active(const struct gw_proxy *proxy)
{
    return gw_gauge_get(&proxy->active);
}

/* A flight at its log hooks has nothing left that could be ended with an error: the hooks are cut
 * short. */
static void abort_flight(struct gw_flight *flight, enum gw_error why)
{
    if (flight->x.step < GW_STEP_FINISH) {
        gw_flight_abandon(flight, why);
    } else if (flight->x.step == GW_STEP_LOG) {
        gw_phase_cancel(&flight->x);
        gw_flight_advance(flight);
    }
}

void gw_proxy_abort(struct gw_proxy *proxy, enum gw_error why)
{
    GW_LIST_EACH(&proxy->flights, node) {
        struct gw_exchange *x = container_of(node, struct gw_exchange, in_worker);

        if (!gw_flight_part_frames(gw_flight_of(x), why))
            abort_flight(gw_flight_of(x), why);
    }
}

void gw_proxy_end_generation(struct gw_proxy *proxy, uint64_t generation)
{
    GW_LIST_EACH(&proxy->flights, node) {
        struct gw_exchange *x = container_of(node, struct gw_exchange, in_worker);
        struct gw_flight *flight = gw_flight_of(x);

        if (!flight->has_script || x->config->generation != generation)
            continue;
        gw_warn("request %.*s%s%.*s: ended, because it needs Lua of generation %" PRIu64
                " (lua.old_generations)",
                GW_SLICE_ARG(x->correlation_id), x->route ? ", route " : "",
                GW_SLICE_ARG(x->route ? x->route->name : GW_SLICE_EMPTY), generation);
        abort_flight(flight, GW_E_OLD_GENERATION);
    }
}

void gw_proxy_describe(const struct gw_proxy *proxy, struct gw_buf *out)
{
    GW_LIST_EACH(&proxy->flights, node) {
        const struct gw_exchange *x = container_of(node, struct gw_exchange, in_worker);

        if (!gw_buf_append(out, gw_exchange_describe(x)) || !gw_buf_append_char(out, '\n'))
            return;
    }
}

/* ── a flight ──────────────────────────────────────────────────────────────── */

const struct gw_listener_config *gw_proxy_listener(const struct gw_proxy *proxy, int listener)
{
    const struct gw_config *config = proxy->epoch->config;

    return listener >= 0 && (unsigned)listener < config->listener_count
               ? &config->listeners[listener]
               : NULL;
}

static struct gw_flight *new_flight(struct gw_proxy *proxy, struct gw_stream *down,
                                    struct gw_arena *arena, const struct gw_head *head,
                                    int listener)
{
    struct gw_flight *flight = gw_arena_alloc_zero(arena, sizeof(*flight));
    struct gw_exchange *x = &flight->x;
    struct gw_epoch *epoch = proxy->epoch;

    flight->epoch = epoch;
    epoch->users++;
    flight->has_script = epoch->script != NULL;
    epoch->script_users += flight->has_script;
    x->proxy = proxy;
    x->loop = proxy->options.loop;
    x->ops = &gw_flight_ops;
    x->config = epoch->config;
    flight->listener = gw_proxy_listener(proxy, listener);
    x->limits = flight->listener ? &flight->listener->limits : &epoch->config->limits;
    x->script = epoch->script;
    x->arena = arena;
    x->down = down;
    x->request = *head;
    x->outgoing.retries = -1;
    x->ctx_slot = -1;
    x->body_limit = -1;
    x->grpc_status = GW_GRPC_NONE;
    x->times.wall_us = x->loop->clock.wall_us;
    x->times.start = x->loop->clock.now_us;
    gw_list_init(&x->holds);
    gw_list_init(&flight->readers[GW_BODY_OF_REQUEST]);
    gw_list_init(&flight->readers[GW_BODY_OF_RESPONSE]);
    gw_buf_init(&x->request_body, 0);
    gw_buf_init(&x->response_body, 0);
    gw_buf_init(&x->new_body, SIZE_MAX);
    gw_list_append(&proxy->flights, &x->in_worker);
    gw_gauge_add(&proxy->active, 1);
    return flight;
}

void gw_proxy_on_request(struct gw_proxy *proxy, struct gw_stream *down, struct gw_arena *arena,
                         struct gw_head *head, bool end, int listener)
{
    struct gw_flight *flight = new_flight(proxy, down, arena, head, listener);

    flight->request_ended = end;
    gw_stream_bind(down, &gw_down_events, flight);
    gw_flight_identify(flight);
    gw_flight_begin_grpc(flight);
    if (!end)
        gw_flight_watch_pace(flight);
    if (flight->x.limits->total_timeout_us || flight->deadline_us)
        gw_flight_start_total_timeout(flight);
    gw_flight_advance(flight);
}

void gw_flight_drop_script(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;

    if (!flight->has_script)
        return;
    gw_phase_end(x);
    x->script = NULL;
    flight->has_script = false;
    flight->epoch->script_users--;
    if (!flight->epoch->current && flight->epoch->users > 0)
        tidy_epoch(flight->epoch);
}

void gw_flight_free(struct gw_flight *flight)
{
    struct gw_exchange *x = &flight->x;
    struct gw_epoch *epoch = flight->epoch;

    GW_ASSERT(!x->down && !x->up && !flight->has_script);
    if (x->reply)
        gw_blob_unref(x->reply->body);
    gw_blob_unref(flight->piped_request);
    gw_buf_deinit(&x->request_body);
    gw_buf_deinit(&x->response_body);
    gw_buf_deinit(&x->new_body);
    gw_tls_facts_unref(x->tls);
    gw_list_remove(&x->in_worker);
    gw_gauge_add(&x->proxy->active, -1);
    gw_arena_free(x->arena);
    epoch->users--;
    tidy_epoch(epoch);
}
