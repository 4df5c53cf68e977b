#pragma once
/* The loader thread: builds and closes Lua states, so that no worker ever waits for it. */
#include "net/loop.h"
#include "server/load.h"

struct gw_loader;
struct gw_watchdog;

/* Starts the thread; `control` is where results come. `watchdog` watches it until it stops. */
struct gw_loader *gw_loader_start(struct gw_loop *control, struct gw_watchdog *watchdog);

/* Loads on the thread; texts in `options` are borrowed until `done`, which comes on control's loop
 * and owns the load's content from then on. One at a time. */
void gw_loader_load(struct gw_loader *loader, const struct gw_load_options *options,
                    void (*done)(void *ctx, struct gw_load *load), void *ctx);

/* Closes a script there; from any thread. */
void gw_loader_close_script(struct gw_loader *loader, struct gw_script *script);

/* Finishes what was asked, ends the thread. Nothing may be asked after it. */
void gw_loader_stop(struct gw_loader *loader);
