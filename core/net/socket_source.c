#include "net/socket_source.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/fault.h"
#include "base/list.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 4096 /* the kernel cuts it at net.core.somaxconn */

/* An address that was asked for. It stays when released: then it was ours, and is tried without the
 * question whether somebody else has it. */
struct known_addr {
    struct gw_list_node node;
    struct gw_addr asked; /* perhaps with port 0 */
    struct gw_addr bound;
    int unix_fd; /* a unix socket is one for all workers: they get duplicates. Else -1 */
    dev_t device;
    ino_t inode; /* of its file, so that only our own is removed */
};

struct gw_socket_source {
    struct gw_list known;
    struct gw_socket_owner owner; /* .get NULL: we bind */
};

struct gw_socket_source *gw_socket_source_new(void)
{
    struct gw_socket_source *source = gw_alloc_zero(sizeof(*source));

    gw_list_init(&source->known);
    return source;
}

struct gw_socket_source *gw_socket_source_asking(const struct gw_socket_owner *owner)
{
    struct gw_socket_source *source = gw_socket_source_new();

    source->owner = *owner;
    return source;
}

static const char *way_out(int error)
{
    switch (error) {
    case EACCES:
        return " (a port below 1024 needs CAP_NET_BIND_SERVICE, a unix socket a folder we may "
               "write)";
    case EADDRINUSE:
        return " (somebody listens there already; ss -ltnp shows who)";
    case EADDRNOTAVAIL:
        return " (this machine does not have that address)";
    case EMFILE:
    case ENFILE:
        return " (raise the limit of open files: LimitNOFILE= or ulimit -n)";
    case ENOENT:
        return " (the folder does not exist)";
    }
    return "";
}

static const char *unix_way_out(int error)
{
    switch (error) {
    case EADDRINUSE:
        return " (somebody listens there already, or it is no socket; ss -lxp shows who)";
    case EPERM:
        return " (the group must be one of the user's own)";
    default:
        return way_out(error);
    }
}

static int refuse(const struct gw_addr *addr, int error, char *why, size_t why_size)
{
    char text[GW_ADDR_TEXT_MAX];
    char reason[128];

    gw_addr_format(addr, text);
    snprintf(why, why_size, "bind %s: %s%s", text, strerror_r(error, reason, sizeof(reason)),
             addr->sa.any.sa_family == AF_UNIX ? unix_way_out(error) : way_out(error));
    return -1;
}

/* Returns a bound socket, or a negative errno. */
static int bind_tcp(const struct gw_addr *addr, bool share)
{
    int family = addr->sa.any.sa_family;
    int fd = GW_FAULT_SYS(SOCKET, socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    int on = 1;

    if (fd < 0)
        return -errno;
    bool good = setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0;

    if (share)
        good = good && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0;
    if (family == AF_INET6)
        good = good && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0;
    if (good && GW_FAULT_SYS(BIND, bind(fd, &addr->sa.any, addr->len)) == 0)
        return fd;
    int error = errno;

    close(fd);
    return -error;
}

/* SO_REUSEPORT would let a second gateway of the same user take half of our connections, unnoticed:
 * look first. */
static int check_free(const struct gw_addr *addr)
{
    int fd = bind_tcp(addr, false);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

/* A file left behind by a process that is gone refuses connections. */
static bool is_stale(const struct gw_addr *addr)
{
    struct stat st;
    bool stale = false;

    if (lstat(addr->sa.un.sun_path, &st) != 0 || !S_ISSOCK(st.st_mode))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return false;
    stale = connect(fd, &addr->sa.any, addr->len) != 0 && errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Mode 0600: whom else to let in is said by gw_socket_source_set_access(). Returns a bound socket,
 * or a negative errno. */
static int bind_unix(const struct gw_addr *addr)
{
    int fd = GW_FAULT_SYS(SOCKET, socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

    if (fd < 0)
        return -errno;
    /* bind() makes the file with this mode: it is never open to others, not for a moment. */
    fchmod(fd, S_IRUSR | S_IWUSR);
    if (is_stale(addr))
        unlink(addr->sa.un.sun_path);
    if (GW_FAULT_SYS(BIND, bind(fd, &addr->sa.any, addr->len)) == 0)
        return fd;
    int error = errno;

    close(fd);
    return -error;
}

static struct known_addr *find(struct gw_socket_source *source, const struct gw_addr *addr)
{
    GW_LIST_EACH(&source->known, node) {
        struct known_addr *known = container_of(node, struct known_addr, node);

        if (gw_addr_equal(&known->asked, addr) || gw_addr_equal(&known->bound, addr))
            return known;
    }
    return NULL;
}

static struct known_addr *remember(struct gw_socket_source *source, const struct gw_addr *asked)
{
    struct known_addr *known = gw_alloc_zero(sizeof(*known));

    known->asked = *asked;
    known->unix_fd = -1;
    gw_list_prepend(&source->known, &known->node);
    return known;
}

/* Returns a listening socket, or a negative errno. */
static int listen_unix(struct known_addr *known)
{
    struct stat st;

    if (known->unix_fd < 0) {
        int fd = bind_unix(&known->asked);

        if (fd < 0)
            return fd;
        if (GW_FAULT_SYS(LISTEN, listen(fd, BACKLOG)) != 0 ||
            lstat(known->asked.sa.un.sun_path, &st) != 0) {
            int error = errno;

            close(fd);
            return -error;
        }
        known->unix_fd = fd;
        known->bound = known->asked;
        known->device = st.st_dev;
        known->inode = st.st_ino;
    }
    int copy = fcntl(known->unix_fd, F_DUPFD_CLOEXEC, 0);

    return copy < 0 ? -errno : copy;
}

/* Returns a listening socket, or a negative errno. */
static int listen_tcp(struct known_addr *known)
{
    bool first = known->bound.len == 0;
    const struct gw_addr *addr = first ? &known->asked : &known->bound;
    int error = first && gw_addr_port(addr) != 0 ? check_free(addr) : 0;

    if (error)
        return error;
    int fd = bind_tcp(addr, true);

    if (fd < 0)
        return fd;
    struct gw_addr bound = { .len = sizeof(bound.sa) };

    if (GW_FAULT_SYS(LISTEN, listen(fd, BACKLOG)) != 0 ||
        getsockname(fd, &bound.sa.any, &bound.len) != 0) {
        error = errno;
        close(fd);
        return -error;
    }
    known->bound = bound;
    return fd;
}

static void forget(struct known_addr *known)
{
    gw_list_remove(&known->node);
    gw_free(known);
}

int gw_socket_source_get(struct gw_socket_source *source, struct gw_addr *addr, unsigned index,
                         char *why, size_t why_size)
{
    if (source->owner.get)
        return source->owner.get(source->owner.ctx, addr, index, why, why_size);
    bool is_unix = addr->sa.any.sa_family == AF_UNIX;
    bool fresh_port = index == 0 && !is_unix && gw_addr_port(addr) == 0;
    struct known_addr *known = fresh_port ? NULL : find(source, addr);

    if (!known)
        known = remember(source, addr);
    int fd = is_unix ? listen_unix(known) : listen_tcp(known);

    if (fd < 0) {
        refuse(addr, -fd, why, why_size);
        if (known->bound.len == 0)
            forget(known);
        return -1;
    }
    *addr = known->bound;
    return fd;
}

int gw_socket_source_get_kept(struct gw_socket_source *source, const struct gw_addr *addr,
                              unsigned index)
{
    if (!source->owner.get_kept)
        return -1;
    return source->owner.get_kept(source->owner.ctx, addr, index);
}

void gw_socket_source_adopt(struct gw_socket_source *source, const struct gw_addr *asked,
                            const struct gw_addr *bound, int fd)
{
    struct known_addr *known = remember(source, asked);
    struct stat st;

    known->bound = *bound;
    if (bound->sa.any.sa_family != AF_UNIX)
        return;
    known->unix_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (lstat(bound->sa.un.sun_path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        known->device = st.st_dev;
        known->inode = st.st_ino;
    }
}

static void close_unix(struct known_addr *known)
{
    const char *path = known->asked.sa.un.sun_path;
    struct stat st;

    if (known->unix_fd < 0)
        return;
    if (lstat(path, &st) == 0 && st.st_dev == known->device && st.st_ino == known->inode)
        unlink(path);
    close(known->unix_fd);
    known->unix_fd = -1;
}

/* Through a descriptor of the file itself, so that it stays the one that was looked at. */
static int change_file(const struct known_addr *known, const struct gw_socket_access *access)
{
    char path[64];
    struct stat st;
    int fd = open(known->asked.sa.un.sun_path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    int error = 0;

    if (fd < 0)
        return errno;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fstat(fd, &st) != 0 || st.st_dev != known->device || st.st_ino != known->inode)
        error = ESTALE;
    else if (access->group >= 0 && st.st_gid != (gid_t)access->group &&
             fchownat(fd, "", (uid_t)-1, (gid_t)access->group, AT_EMPTY_PATH) != 0)
        error = errno;
    else if (chmod(path, access->mode) != 0)
        error = errno;
    close(fd);
    return error;
}

bool gw_socket_source_set_access(struct gw_socket_source *source, const struct gw_addr *addr,
                                 const struct gw_socket_access *access, char *why, size_t why_size)
{
    char text[GW_ADDR_TEXT_MAX], reason[128];

    if (source->owner.set_access)
        return source->owner.set_access(source->owner.ctx, addr, access, why, why_size);
    const struct known_addr *known = find(source, addr);
    int error = known && known->unix_fd >= 0 ? change_file(known, access) : ENOENT;

    if (!error)
        return true;
    gw_addr_format(addr, text);
    snprintf(why, why_size, "%s: mode or group: %s%s", text,
             strerror_r(error, reason, sizeof(reason)), unix_way_out(error));
    return false;
}

void gw_socket_source_release(struct gw_socket_source *source, const struct gw_addr *addr)
{
    if (source->owner.release) {
        source->owner.release(source->owner.ctx, addr);
        return;
    }
    struct known_addr *known = find(source, addr);

    if (known && addr->sa.any.sa_family == AF_UNIX) {
        close_unix(known);
        forget(known);
    }
}

void gw_socket_source_free(struct gw_socket_source *source)
{
    GW_LIST_EACH(&source->known, node) {
        struct known_addr *known = container_of(node, struct known_addr, node);

        if (known->asked.sa.any.sa_family == AF_UNIX)
            close_unix(known);
        forget(known);
    }
    gw_free(source);
}
