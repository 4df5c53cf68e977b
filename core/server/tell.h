#pragma once
/* What the operator reads of a reload, on the terminal or in the log. */
#include "server/reload.h"

/* One line for a reload, or one an error where there are several. `why` is what it was asked for
 * ("SIGHUP"), `config_path` the file as it was named. */
void gw_tell_reload(const struct gw_reload_result *result, const char *why,
                    const char *config_path);
