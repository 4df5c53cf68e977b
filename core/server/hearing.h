#pragma once
/* What control tells plugins: moves of targets and breakers go to the event hooks of the generation
 * that serves, in a Lua state that belongs to control's thread. */
#include "script/script.h"

struct gw_hearing;
struct gw_watchdog;

struct gw_hearing *gw_hearing_new(struct gw_loop *loop, struct gw_registry *registry,
                                  struct gw_watchdog *watchdog);
void gw_hearing_free(struct gw_hearing *hearing); /* on the loop's thread, while it lives */

/* The script of the generation that serves now; takes the reference over. NULL: nobody hears. */
void gw_hearing_commit(struct gw_hearing *hearing, struct gw_script *script);
