#include "server/runtime_dir.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* FNV-1a: the name must be the same in every process and every version; nothing depends on its
 * secrecy. */
static uint64_t name_hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325u;

    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* $RUNTIME_DIRECTORY, else /run/moongate for root, else $XDG_RUNTIME_DIR/moongate, else a folder of
 * ours in the temporary one. */
static int choose_folder(char *out, size_t size)
{
    const char *given = getenv("RUNTIME_DIRECTORY");
    const char *xdg = getenv("XDG_RUNTIME_DIR");
    const char *temporary = getenv("TMPDIR");

    if (given && given[0]) /* systemd: several are separated by colons */
        return snprintf(out, size, "%.*s", (int)strcspn(given, ":"), given);
    if (geteuid() == 0)
        return snprintf(out, size, "/run/moongate");
    if (xdg && xdg[0])
        return snprintf(out, size, "%s/moongate", xdg);
    return snprintf(out, size, "%s/moongate-%u", temporary && temporary[0] ? temporary : "/tmp",
                    (unsigned)geteuid());
}

/* A folder in a place that others may write to must be ours alone, else they could put a socket of
 * theirs there. */
static bool check_folder(const char *folder, char *why, size_t why_size)
{
    struct stat st;

    if (lstat(folder, &st) < 0) {
        snprintf(why, why_size, "runtime folder %s: %s", folder, strerror(errno));
        return false;
    }
    /* What root made is as good as ours: the supervisor binds there. */
    if (!S_ISDIR(st.st_mode) || (st.st_uid != geteuid() && st.st_uid != 0) || (st.st_mode & 022)) {
        snprintf(why, why_size,
                 "runtime folder %s: it must be a folder of our own that nobody else "
                 "may write to (remove it, or set RUNTIME_DIRECTORY or admin.address)",
                 folder);
        return false;
    }
    return true;
}

/* The folder without symbolic links, the file's name as it is: what a link points to may change
 * while we run (Kubernetes does that at every update), and the socket must still be found. */
static void real_name(const char *path, char *out, size_t size)
{
    char folder[PATH_MAX], real[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    if (!realpath(folder, real))
        snprintf(real, sizeof(real), "%s", folder);
    snprintf(out, size, "%s/%s", real, name);
}

static bool make_folder(const char *folder, char *why, size_t why_size)
{
    if (mkdir(folder, 0700) < 0 && errno != EEXIST) {
        snprintf(why, why_size,
                 "cannot make the runtime folder %s: %s (set RUNTIME_DIRECTORY or "
                 "admin.address)",
                 folder, strerror(errno));
        return false;
    }
    return check_folder(folder, why, why_size);
}

bool gw_runtime_share(char *why, size_t why_size)
{
    char folder[PATH_MAX];
    int len = choose_folder(folder, sizeof(folder));

    return len > 0 && (size_t)len < sizeof(folder) && make_folder(folder, why, why_size) &&
           setenv("RUNTIME_DIRECTORY", folder, 1) == 0;
}

bool gw_runtime_socket(const char *config_path, bool make, char *out, size_t size, char *why,
                       size_t why_size)
{
    char folder[PATH_MAX], real[PATH_MAX * 2];
    int len = choose_folder(folder, sizeof(folder));

    if (len < 0 || (size_t)len >= sizeof(folder)) {
        snprintf(why, why_size, "the runtime folder's name is too long");
        return false;
    }
    if (make && !make_folder(folder, why, why_size))
        return false;
    real_name(config_path, real, sizeof(real));
    len = snprintf(out, size, "unix:%s/%016llx.sock", folder, (unsigned long long)name_hash(real));
    if (len < 0 || (size_t)len >= size ||
        (size_t)len - strlen("unix:") >= sizeof(((struct sockaddr_un *)NULL)->sun_path)) {
        snprintf(why, why_size,
                 "the runtime folder's name %s is too long for a socket (set "
                 "RUNTIME_DIRECTORY or admin.address)",
                 folder);
        return false;
    }
    return true;
}
