#include "base/alloc.h"
#include "cli/commands.h"
#include "server/home.h"
#include "server/load.h"

static void free_script(struct gw_script *script, void *ctx)
{
    (void)ctx;
    gw_script_free(script);
}

static void print_lines(FILE *out, const char *before, char *const *lines, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fprintf(out, "%s%s\n", before, lines[i]);
}

static const char *plural(unsigned count)
{
    return count == 1 ? "" : "s";
}

static int report(const struct gw_load *load, const char *path)
{
    const struct gw_config *config = load->config;

    print_lines(stderr, "warning: ", load->warnings, load->warning_count);
    print_lines(stderr, "", load->errors, load->error_count);
    if (!config) {
        char why[64];

        snprintf(why, sizeof(why), "%u error%s", load->error_count, plural(load->error_count));
        gw_complain(path, why, NULL);
        return GW_EXIT_BAD;
    }
    printf("ok: %u listener%s, %u service%s, %u route%s, %u upstream%s, %u consumer%s",
           config->listener_count, plural(config->listener_count), config->service_count,
           plural(config->service_count), config->route_count, plural(config->route_count),
           config->upstream_count, plural(config->upstream_count), config->consumer_count,
           plural(config->consumer_count));
    if (load->warning_count)
        printf(", %u warning%s", load->warning_count, plural(load->warning_count));
    printf("\n");
    return GW_EXIT_GOOD;
}

int gw_command_check(const struct gw_options *options)
{
    char *path = gw_home_config(options->config);
    char *home = path ? gw_home_find() : NULL;
    int code = GW_EXIT_BAD;

    if (home) {
        struct gw_load_options what = {
            .config_path = path,
            .home = home,
            .generation = 1,
            .workers = 1, /* one Lua state finds what all would */
            .on_script_unused = free_script,
        };
        struct gw_load load;

        gw_load(&load, &what);
        code = report(&load, path);
        gw_load_deinit(&load);
    }
    gw_free(home);
    gw_free(path);
    return code;
}
