#pragma once
/* How a loop resolves names, by a configuration. */
#include "config/config.h"
#include "net/loop.h"

/* From now on. What is malformed was refused when the configuration was read. */
void gw_name_rules_use(struct gw_loop *loop, const struct gw_config *config);
