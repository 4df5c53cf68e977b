#include "server/home.h"

#include "base/alloc.h"
#include "base/check.h"
#include "base/slice.h"
#include "server/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_home(const char *folder)
{
    char path[PATH_MAX];
    struct stat st;
    int len = snprintf(path, sizeof(path), "%s/lua/moongate", folder);

    return len > 0 && (size_t)len < sizeof(path) && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The real path of what is not needed as a symbolic link; NULL when it does not hold our files. */
static char *home_at(const char *folder)
{
    char real[PATH_MAX];

    if (!realpath(folder, real) || !is_home(real))
        return NULL;
    return gw_strndup(real, strlen(real));
}

static char *home_beside_binary(void)
{
    char path[PATH_MAX];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (len <= 0)
        return NULL;
    path[len] = '\0';
    char *slash = strrchr(path, '/');
    static const char share[] = "/../share/moongate";

    if (!slash || (size_t)(slash - path) + sizeof(share) > sizeof(path))
        return NULL;
    memcpy(slash, share, sizeof(share));
    return home_at(path);
}

char *gw_home_find(void)
{
    const char *wanted = getenv("MOONGATE_HOME");

    if (wanted && wanted[0]) {
        char *home = home_at(wanted);

        if (!home)
            gw_complain(wanted, "MOONGATE_HOME holds no lua/moongate",
                        "it must be the folder with lua/ and plugins/, or be unset");
        return home;
    }
    char *home = home_beside_binary();

    if (!home)
        home = home_at(GW_SOURCE_DIR);
    if (!home)
        gw_complain("installation",
                    "lua/moongate is neither in ../share/moongate beside the binary "
                    "nor in " GW_SOURCE_DIR,
                    "set MOONGATE_HOME to the folder with lua/ and plugins/");
    return home;
}

char *gw_home_config(const char *written)
{
    static const char *const usual[] = { "moongate.yaml", "/etc/moongate/moongate.yaml" };

    if (written) {
        if (access(written, R_OK) == 0)
            return gw_strndup(written, strlen(written));
        gw_complain(written, strerror(errno), "-c names the configuration to read");
        return NULL;
    }
    for (size_t i = 0; i < GW_ARRAY_LEN(usual); i++)
        if (access(usual[i], F_OK) == 0)
            return gw_strndup(usual[i], strlen(usual[i]));
    gw_complain("no configuration",
                "neither ./moongate.yaml nor /etc/moongate/moongate.yaml is there",
                "write one, or name it with -c FILE");
    return NULL;
}
