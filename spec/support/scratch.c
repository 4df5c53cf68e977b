#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "specs-of-moongate-"

static pid_t owner; /* children that specs fork come to the end of main() too */
static char folder[] = "/tmp/" PREFIX "XXXXXX";

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    (void)remove(path); /* what cannot go stays, and so do the folders around it */
    return 0;
}

static void remove_all(const char *path)
{
    (void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* The descriptor that keeps the folder, or -1 when somebody keeps it already, or it is gone. */
static int lock(const char *path, int more)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd >= 0 && flock(fd, LOCK_EX | more) == 0 && access(path, F_OK) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* Those of runs that were killed: nobody keeps them. */
static void sweep(void)
{
    DIR *dir = opendir("/tmp");

    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        char path[sizeof("/tmp/") + sizeof(entry->d_name)];

        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        snprintf(path, sizeof(path), "/tmp/%s", entry->d_name);
        int fd = lock(path, LOCK_NB);
        if (fd >= 0) {
            remove_all(path);
            close(fd);
        }
    }
    if (dir)
        closedir(dir);
}

const char *spec_scratch_open(void)
{
    sweep();
    /* Another run may sweep it away before it is locked: then there is another one. */
    do
        memcpy(folder + sizeof(folder) - sizeof("XXXXXX"), "XXXXXX", sizeof("XXXXXX"));
    while (mkdtemp(folder) && lock(folder, 0) < 0);
    chmod(folder, 0711); /* gateways that run as another user go through it */
    setenv("TMPDIR", folder, 1);
    owner = getpid();
    return folder;
}

void spec_scratch_close(void)
{
    if (getpid() == owner)
        remove_all(folder);
}
