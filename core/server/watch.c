/* Editors save in three ways: in place, by renaming a new file over the old one, or in several
 * writes. All of them are events in the folder, so folders are what is watched. The reload starts
 * when it was quiet for a moment, or after a few of those at the latest, so that a save that goes
 * on and on is still seen. */
#include "server/watch.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "net/loop.h"
#include "server/server.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define QUIET_US 20000
#define LATEST_US 100000
#define FOLDERS_MAX 4096
#define DEPTH_MAX 8

struct folder {
    struct gw_list_node node;
    struct gw_watch *watch;
    uv_fs_event_t events;
    char *path;
    char *only;   /* the one name that matters here; NULL: every file */
    bool is_link; /* that name is a symbolic link: what it leads to may be changed beside it
                     (Kubernetes does) */
    dev_t device; /* a folder may be taken away and made anew under its name */
    ino_t inode;
    bool wanted;
};

struct gw_watch {
    struct gw_server *server;
    struct gw_list folders;
    unsigned count;
    struct gw_timer quiet;
    uint64_t first_us;      /* of the changes not yet acted upon; 0: none */
    char changed[PATH_MAX]; /* the first of them */
    bool others;            /* it was not the only one */
    char **paths;           /* what gw_watch_set() was told */
    unsigned path_count;
};

static void look_again(struct gw_watch *watch);

/* --- what happened --- */

/* What editors put beside a file while they save it. */
static bool is_scratch(const char *name)
{
    size_t len = strlen(name);
    static const char *const endings[] = { "~", ".swp", ".swx", ".swo", ".tmp", ".bak", ".orig" };

    if (name[0] == '.' || name[0] == '#' || strcmp(name, "4913") == 0)
        return true;
    for (size_t i = 0; i < GW_ARRAY_LEN(endings); i++) {
        size_t ending = strlen(endings[i]);

        if (len >= ending && strcmp(name + len - ending, endings[i]) == 0)
            return true;
    }
    return false;
}

static void on_quiet(struct gw_timer *timer)
{
    struct gw_watch *watch = container_of(timer, struct gw_watch, quiet);
    char why[PATH_MAX + 32];

    watch->first_us = 0;
    snprintf(why, sizeof(why), "%s%s changed", watch->changed, watch->others ? " and others" : "");
    look_again(watch); /* a folder may be new: what is written into it next must be seen, too */
    gw_reloader_ask(watch->server->reloader, why, NULL);
}

static void note_change(struct gw_watch *watch, const char *folder, const char *name)
{
    struct gw_loop *loop = watch->server->loop;
    uint64_t now = loop->clock.now_us;
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s%s%s", folder, strcmp(folder, "/") == 0 ? "" : "/", name);
    if (!watch->first_us) {
        watch->first_us = now;
        watch->others = false;
        memcpy(watch->changed, path, sizeof(path));
        gw_debug("watch: %s changed", watch->changed);
    } else if (strcmp(watch->changed, path) != 0) {
        watch->others = true;
    }
    uint64_t latest = watch->first_us + LATEST_US;
    uint64_t delay = now + QUIET_US < latest ? QUIET_US : latest > now ? latest - now : 0;

    gw_timer_start(loop, &watch->quiet, delay, on_quiet);
}

static void on_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct folder *folder = handle->data;

    (void)events;
    gw_loop_woke(folder->watch->server->loop);
    if (status < 0 || !name)
        name = folder->only ? folder->only : "";
    if (folder->only ? !folder->is_link && strcmp(name, folder->only) != 0 : is_scratch(name))
        return;
    note_change(folder->watch, folder->path, name);
}

/* --- folders --- */

static void on_folder_closed(uv_handle_t *handle)
{
    struct folder *folder = handle->data;

    gw_free(folder->path);
    gw_free(folder->only);
    gw_free(folder);
}

static void drop_folder(struct folder *folder)
{
    gw_list_remove(&folder->node);
    folder->watch->count--;
    uv_close((uv_handle_t *)&folder->events, on_folder_closed);
}

static struct folder *find_folder(struct gw_watch *watch, const char *path, const char *only)
{
    GW_LIST_EACH(&watch->folders, node) {
        struct folder *folder = container_of(node, struct folder, node);

        if (strcmp(folder->path, path) == 0 && !folder->only == !only &&
            (!only || strcmp(folder->only, only) == 0))
            return folder;
    }
    return NULL;
}

static struct folder *add_folder(struct gw_watch *watch, const char *path, const char *only)
{
    struct folder *folder = gw_alloc_zero(sizeof(*folder));

    folder->watch = watch;
    folder->path = gw_strndup(path, strlen(path));
    folder->only = only ? gw_strndup(only, strlen(only)) : NULL;
    folder->events.data = folder;
    uv_fs_event_init(&watch->server->loop->uv, &folder->events);
    gw_list_append(&watch->folders, &folder->node);
    watch->count++;
    return folder;
}

/* A folder that is not there is no error: `plugin_paths` may name one that is made later. */
static void want_folder(struct gw_watch *watch, const char *path, const char *only, bool is_link)
{
    struct folder *folder = find_folder(watch, path, only);
    struct stat st;

    if (stat(path, &st) < 0)
        return;
    if (folder && folder->device == st.st_dev && folder->inode == st.st_ino) {
        folder->wanted = true;
        folder->is_link = is_link;
        return;
    }
    if (watch->count == FOLDERS_MAX) {
        gw_warn("watch: more than %d folders: %s is not watched", FOLDERS_MAX, path);
        return;
    }
    folder = add_folder(watch, path, only);
    folder->is_link = is_link;
    folder->device = st.st_dev;
    folder->inode = st.st_ino;
    folder->wanted = true;
    int error = GW_FAULT_UV(WATCH, uv_fs_event_start(&folder->events, on_event, path, 0));

    if (error) {
        gw_warn("watch: %s: %s (fs.inotify.max_user_watches may be too small)", path,
                uv_strerror(error));
        drop_folder(folder);
    }
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static void want_tree(struct gw_watch *watch, const char *path, int depth)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    want_folder(watch, path, NULL, false);
    if (!dir)
        return;
    while (depth < DEPTH_MAX && (entry = readdir(dir))) {
        char below[PATH_MAX];
        int len = snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);

        if (len > 0 && (size_t)len < sizeof(below) && !is_scratch(entry->d_name) &&
            (entry->d_type == DT_DIR || entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
            is_folder(below))
            want_tree(watch, below, depth + 1);
    }
    closedir(dir);
}

static void want_file(struct gw_watch *watch, const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[PATH_MAX];
    struct stat st;

    if (!slash)
        snprintf(folder, sizeof(folder), ".");
    else
        snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    want_folder(watch, folder, slash ? slash + 1 : path,
                lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
}

static void look_again(struct gw_watch *watch)
{
    GW_LIST_EACH(&watch->folders, node)
        container_of(node, struct folder, node)->wanted = false;
    for (unsigned i = 0; i < watch->path_count; i++) {
        if (i == 0)
            want_file(watch, watch->paths[i]);
        else
            want_tree(watch, watch->paths[i], 0);
    }
    GW_LIST_EACH(&watch->folders, node) {
        struct folder *folder = container_of(node, struct folder, node);

        if (!folder->wanted)
            drop_folder(folder);
    }
}

/* --- from outside --- */

static void free_paths(struct gw_watch *watch)
{
    for (unsigned i = 0; i < watch->path_count; i++)
        gw_free(watch->paths[i]);
    gw_free(watch->paths);
    watch->paths = NULL;
    watch->path_count = 0;
}

void gw_watch_set(struct gw_watch *watch, char *const *paths, unsigned count)
{
    free_paths(watch);
    watch->paths = count ? gw_alloc(count * sizeof(paths[0])) : NULL;
    for (unsigned i = 0; i < count; i++)
        watch->paths[i] = gw_strndup(paths[i], strlen(paths[i]));
    watch->path_count = count;
    look_again(watch);
}

struct gw_watch *gw_watch_new(struct gw_server *server)
{
    struct gw_watch *watch = gw_alloc_zero(sizeof(*watch));

    watch->server = server;
    gw_list_init(&watch->folders);
    return watch;
}

void gw_watch_free(struct gw_watch *watch)
{
    gw_timer_stop(&watch->quiet);
    GW_LIST_EACH(&watch->folders, node)
        drop_folder(container_of(node, struct folder, node));
    free_paths(watch);
    gw_free(watch);
}
