#include "server/generation.h"

#include "base/alloc.h"

struct generation {
    struct gw_list_node node;
    struct gw_generations *all;
    uint64_t number;
    int64_t since_us;
    unsigned script_count;
    struct gw_script **scripts; /* borrowed; NULL where it was let go */
};

void gw_generations_init(struct gw_generations *all, struct gw_loader *loader)
{
    all->loader = loader;
    gw_list_init(&all->alive);
    uv_mutex_init(&all->lock);
}

void gw_generations_deinit(struct gw_generations *all)
{
    GW_ASSERT(gw_list_empty(&all->alive));
    uv_mutex_destroy(&all->lock);
}

/* The last reference to the configuration is gone; on any thread. */
static void on_config_gone(void *ctx)
{
    struct generation *generation = ctx;
    struct gw_generations *all = generation->all;

    uv_mutex_lock(&all->lock);
    gw_list_remove(&generation->node);
    uv_mutex_unlock(&all->lock);
    gw_free(generation->scripts);
    gw_free(generation);
}

void gw_generations_add(struct gw_generations *all, const struct gw_load *load, int64_t since_us)
{
    struct generation *generation = gw_alloc_zero(sizeof(*generation));
    size_t size = load->script_count * sizeof(generation->scripts[0]);
    bool hears = load->control != NULL;

    generation->all = all;
    generation->number = load->config->generation;
    generation->since_us = since_us;
    generation->script_count = load->script_count + hears;
    generation->scripts = gw_alloc(size + sizeof(generation->scripts[0]));
    memcpy(generation->scripts, load->scripts, size);
    generation->scripts[load->script_count] = load->control;
    load->config->on_gone = on_config_gone;
    load->config->on_gone_ctx = generation;
    uv_mutex_lock(&all->lock);
    gw_list_append(&all->alive, &generation->node);
    uv_mutex_unlock(&all->lock);
}

void gw_generations_script_unused(struct gw_script *script, void *ctx)
{
    struct gw_generations *all = ctx;

    uv_mutex_lock(&all->lock);
    GW_LIST_EACH(&all->alive, node) {
        struct generation *generation = container_of(node, struct generation, node);

        for (unsigned i = 0; i < generation->script_count; i++)
            if (generation->scripts[i] == script)
                generation->scripts[i] = NULL;
    }
    uv_mutex_unlock(&all->lock);
    gw_loader_close_script(all->loader, script);
}

unsigned gw_generations_alive(struct gw_generations *all, struct gw_generation_info *infos,
                              unsigned size)
{
    unsigned count = 0;

    uv_mutex_lock(&all->lock);
    GW_LIST_EACH(&all->alive, node) {
        struct generation *generation = container_of(node, struct generation, node);
        struct gw_generation_info info = { generation->number, generation->since_us, 0, 0 };

        for (unsigned i = 0; i < generation->script_count; i++) {
            if (!generation->scripts[i])
                continue;
            info.scripts++;
            info.lua_bytes += gw_script_memory(generation->scripts[i]);
        }
        if (count < size)
            infos[count] = info;
        count++;
    }
    uv_mutex_unlock(&all->lock);
    return count;
}

void gw_generations_old_lua(struct gw_generations *all, uint64_t current, struct gw_old_lua *lua)
{
    *lua = (struct gw_old_lua){ 0 };
    uv_mutex_lock(&all->lock);
    GW_LIST_EACH(&all->alive, node) {
        const struct generation *generation = container_of(node, struct generation, node);

        for (unsigned i = 0; generation->number < current && i < generation->script_count; i++) {
            if (!generation->scripts[i])
                continue;
            lua->bytes += gw_script_memory(generation->scripts[i]);
            if (!lua->oldest)
                lua->oldest = generation->number;
        }
    }
    uv_mutex_unlock(&all->lock);
}
