/* The file holds one line: which gateway it is, as `boot id, pid namespace, process id, start
 * time`, so that a process id that was given to somebody else, or that means another process in
 * another container, is no gateway of ours. A gateway whose process is gone has no say: what is
 * left of it ends by itself, and shares until then. */
#include "store/ledger_lock.h"

#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#define NAME_MAX_BYTES 200
#define TRIES 20 /* somebody who ends has so long to let go … */
#define TRY_MS 50

static void read_line(const char *path, char *line, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, line, size - 1);

    line[len > 0 ? len : 0] = '\0';
    line[strcspn(line, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
}

/* The 22nd field of /proc/PID/stat, which stays over an exec; 0: there is no such process. */
static unsigned long long start_of(pid_t pid)
{
    char path[64], line[1024];
    unsigned long long start = 0;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    read_line(path, line, sizeof(line));
    const char *at = strrchr(line, ')'); /* behind the name, which may hold anything */

    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (at && sscanf(at, "%llu", &start) != 1)
        return 0;
    return start;
}

static void describe(pid_t gateway, char *name, size_t size)
{
    char boot[64], space[64];
    ssize_t len = readlink("/proc/self/ns/pid", space, sizeof(space) - 1);

    space[len > 0 ? len : 0] = '\0';
    read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
    snprintf(name, size, "%s %s %d %llu", boot[0] ? boot : "-", space[0] ? space : "-",
             (int)gateway, start_of(gateway));
}

/* Whether the process that a line names is gone. One in another place cannot be asked. */
static bool is_gone(const char *line, const char *ours)
{
    int pid;
    char place[NAME_MAX_BYTES], our_place[NAME_MAX_BYTES];
    unsigned long long start;

    if (sscanf(line, "%*s %*s %d %llu", &pid, &start) != 2)
        return true; /* it was never written whole */
    snprintf(place, sizeof(place), "%.*s", (int)(strrchr(line, ' ') - line), line);
    snprintf(our_place, sizeof(our_place), "%.*s", (int)(strrchr(ours, ' ') - ours), ours);
    *strrchr(place, ' ') = *strrchr(our_place, ' ') = '\0';
    return strcmp(place, our_place) == 0 && start_of((pid_t)pid) != start;
}

static bool write_name(int fd, const char *name)
{
    size_t len = strlen(name);

    return ftruncate(fd, 0) == 0 && pwrite(fd, name, len, 0) == (ssize_t)len;
}

static void read_name(int fd, char *name, size_t size)
{
    ssize_t len = pread(fd, name, size - 1, 0);

    name[len > 0 ? len : 0] = '\0';
}

/* One at a time looks and writes: a lock of another kind, so that it does not meet the real one. */
static bool guard(int fd, short type)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET };

    return fcntl(fd, F_OFD_SETLK, &lock) == 0;
}

/* 1: it is ours; 0: others have it; -1: errno says why not. */
static int try_lock(int fd, const char *name, bool *shared, char *holder, size_t holder_size)
{
    *shared = false;
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return -1;
        read_name(fd, holder, holder_size);
        *shared = true;
        if (strcmp(holder, name) != 0 && !is_gone(holder, name))
            return 0;
    }
    if ((!*shared || strcmp(holder, name) != 0) && !write_name(fd, name))
        return -1;
    return flock(fd, LOCK_SH | LOCK_NB) == 0 ? 1 : -1;
}

int gw_ledger_lock(const char *path, pid_t gateway, bool *shared, char *why, size_t why_size)
{
    const struct timespec pause = { .tv_nsec = TRY_MS * 1000000 };
    char name[NAME_MAX_BYTES], holder[NAME_MAX_BYTES] = "", place[4096];
    int got = 0;

    snprintf(place, sizeof(place), "%s-lock", path);
    describe(gateway, name, sizeof(name));
    int fd = GW_FAULT_SYS(STORE_LOCK, open(place, O_RDWR | O_CREAT | O_CLOEXEC, 0600));

    if (fd < 0) {
        snprintf(why, why_size, "cannot open %s: %s", place, strerror(errno));
        return -1;
    }
    for (int i = 0; i < TRIES && got == 0; i++) {
        if (i > 0)
            nanosleep(&pause, NULL);
        if (!guard(fd, F_WRLCK))
            continue;
        got = try_lock(fd, name, shared, holder, sizeof(holder));
        guard(fd, F_UNLCK);
    }
    if (got == 1)
        return fd;
    int pid = 0;

    sscanf(holder, "%*s %*s %d", &pid);
    if (got < 0)
        snprintf(why, why_size, "cannot lock %s: %s", place, strerror(errno));
    else
        snprintf(why, why_size,
                 "%s is used by another gateway, process %d: each needs its own file", path, pid);
    close(fd);
    return -1;
}
