#include "base/fault.h"
#include "supervisor/supervisor_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where the kernel says we came from, also when that file was replaced meanwhile. */
#define OURSELVES "/proc/self/exe"

/* Whether that name leads to the file we run from. */
static bool is_ours(const char *path)
{
    struct stat named, running;

    return stat(path, &named) == 0 && stat(OURSELVES, &running) == 0 &&
           named.st_dev == running.st_dev && named.st_ino == running.st_ino;
}

static bool try_path(char out[PATH_MAX], const char *folder, size_t folder_len, const char *name)
{
    int len = snprintf(out, PATH_MAX, "%.*s/%s", (int)folder_len, folder, name);

    return len > 0 && len < PATH_MAX && is_ours(out);
}

/* As a shell looks for a name without a slash. */
static bool search(char out[PATH_MAX], const char *name)
{
    const char *path = getenv("PATH");

    while (path && *path) {
        size_t len = strcspn(path, ":");

        if (len && try_path(out, path, len, name))
            return true;
        path += len + (path[len] == ':');
    }
    return false;
}

/* Links stay links: "current -> release-7" is to be followed anew by an upgrade. */
static bool find_by_name(char out[PATH_MAX], const char *name)
{
    char here[PATH_MAX];

    if (!strchr(name, '/'))
        return search(out, name);
    if (name[0] == '/')
        return snprintf(out, PATH_MAX, "%s", name) < PATH_MAX && is_ours(out);
    return getcwd(here, sizeof(here)) && try_path(out, here, strlen(here), name);
}

void gw_program_find(struct gw_supervisor *supervisor)
{
    static const char deleted[] = " (deleted)";
    char *program = supervisor->program;

    if (find_by_name(program, supervisor->options->argv[0]))
        return;
    ssize_t len = readlink(OURSELVES, program, PATH_MAX - 1);

    program[len > 0 ? len : 0] = '\0';
    size_t end = strlen(program), extra = strlen(deleted);

    if (end > extra && strcmp(program + end - extra, deleted) == 0)
        program[end - extra] = '\0';
}

void gw_program_exec(const struct gw_supervisor *supervisor, bool by_name, char **argv)
{
    if (!GW_FAULT(EXEC))
        execv(by_name ? supervisor->program : OURSELVES, argv);
}
