#include "server/old_generations.h"

#include "base/log.h"
#include "server/generation.h"
#include "server/server.h"

#include <inttypes.h>

#define LOOK_US 200000 /* their hooks make garbage while they run, and closing them takes a while */

void gw_old_generations_init(struct gw_old_generations *old, struct gw_server *server)
{
    *old = (struct gw_old_generations){ .server = server };
}

static void end_oldest(struct gw_old_generations *old, uint64_t generation, uint64_t bytes)
{
    const struct gw_server *server = old->server;
    size_t max = gw_reloader_config(server->reloader)->lua_old_generations;

    gw_warn("reload: Lua of older generations holds %" PRIu64
            " bytes (lua.old_generations: %zu): what still needs generation %" PRIu64 " ends",
            bytes, max, generation);
    old->ended = generation;
    for (unsigned i = 0; i < server->worker_count; i++)
        gw_worker_end_generation(server->workers[i], generation);
}

static void on_timer(struct gw_timer *timer)
{
    gw_old_generations_look(container_of(timer, struct gw_old_generations, timer));
}

void gw_old_generations_look(struct gw_old_generations *old)
{
    struct gw_server *server = old->server;
    const struct gw_config *config = gw_reloader_config(server->reloader);
    struct gw_old_lua lua;

    if (server->state != GW_SERVER_SERVES)
        return;
    gw_generations_old_lua(gw_reloader_generations(server->reloader), config->generation, &lua);
    if (lua.oldest == 0)
        return;
    if (lua.bytes > config->lua_old_generations && lua.oldest > old->ended)
        end_oldest(old, lua.oldest, lua.bytes);
    gw_timer_start(server->loop, &old->timer, LOOK_US, on_timer);
}

void gw_old_generations_stop(struct gw_old_generations *old)
{
    gw_timer_stop(&old->timer);
}
