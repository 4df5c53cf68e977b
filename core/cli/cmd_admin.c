#include "base/alloc.h"
#include "cli/admin_client.h"
#include "cli/commands.h"
#include "server/home.h"
#include "server/lua_call.h"

#define ANSWER_MAX (256 * 1024 * 1024)

/* Asks, and lets moongate.cli's function(status, body) say it to the operator. */
static int ask_and_tell(const struct gw_options *options, const char *method, const char *path,
                        const char *function)
{
    struct gw_admin_call call = { options->config, options->admin, options->token };
    struct gw_buf body;

    gw_buf_init(&body, ANSWER_MAX);
    int status = gw_admin_ask(&call, method, path, &body);
    int code = -status;
    char *home = status > 0 ? gw_home_find() : NULL;

    if (status > 0)
        code = GW_EXIT_BAD;
    if (home) {
        char number[16];

        snprintf(number, sizeof(number), "%d", status);
        gw_buf_append_char(&body, '\0');
        const char *args[] = { number, body.data };

        code = gw_lua_command(home, function, args, 2);
    }
    gw_free(home);
    gw_buf_deinit(&body);
    return code;
}

int gw_command_reload(const struct gw_options *options)
{
    return ask_and_tell(options, "POST", "/reload", "reload");
}

int gw_command_status(const struct gw_options *options)
{
    return ask_and_tell(options, "GET", "/status", "status");
}
