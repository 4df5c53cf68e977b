#pragma once
/* What `moongate COMMAND` does; each is a row in main.c. They return the exit code. */
#include "server/options.h"

int gw_command_run(const struct gw_options *options);
int gw_command_check(const struct gw_options *options);
int gw_command_audit(const struct gw_options *options);
int gw_command_reload(const struct gw_options *options);
int gw_command_status(const struct gw_options *options);
int gw_command_routes(const struct gw_options *options);
int gw_command_explain(const struct gw_options *options);
int gw_command_new(const struct gw_options *options);
int gw_command_test(const struct gw_options *options);
int gw_command_version(const struct gw_options *options);
