#pragma once
/* The `event` hook: plugins hear of targets and breakers. Where one does, control has a script of
 * its own with those plugins alone; in the harness the one script hears, too. Events are heard in
 * order, one hook at a time; so many wait at most. */
#include "script/script.h"

/* The plugins that hear, a name a line; NULL: none does. For gw_script_options.hears. */
const char *gw_script_hears(const struct gw_script *script);

/* On the thread that runs it, after it was attached; copies the event. */
void gw_script_tell(struct gw_script *script, const struct gw_health_event *event);
