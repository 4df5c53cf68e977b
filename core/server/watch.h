#pragma once
/* Looks after the files a configuration is made of (inotify, on control's loop) and asks for a
 * reload when one changed. */

struct gw_server;
struct gw_watch;

struct gw_watch *gw_watch_new(struct gw_server *server);
void gw_watch_free(struct gw_watch *watch);

/* The configuration's file first, then folders, whose every file matters, sub-folders too. None:
 * stops watching. Called after every commit, so new sub-folders and other `plugin_paths` are picked
 * up. */
void gw_watch_set(struct gw_watch *watch, char *const *paths, unsigned count);
