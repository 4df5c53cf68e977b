#include "supervisor/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_id(const char *text, unsigned *id)
{
    char *end = NULL;
    unsigned long value;

    if (!*text || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    value = strtoul(text, &end, 10);
    *id = (unsigned)value;
    return errno == 0 && value < (unsigned)-1;
}

static bool find_user(struct gw_privileges *privileges, const char *user)
{
    struct passwd *found = getpwnam(user);

    if (!found && read_id(user, &privileges->uid))
        found = getpwuid(privileges->uid);
    else if (!found)
        return false;
    if (!found) { /* a number that nobody has: as containers do it */
        privileges->gid = privileges->uid;
        return true;
    }
    privileges->uid = found->pw_uid;
    privileges->gid = found->pw_gid;
    snprintf(privileges->name, sizeof(privileges->name), "%s", found->pw_name);
    return true;
}

static bool find_group(struct gw_privileges *privileges, const char *group)
{
    struct group *found = getgrnam(group);

    if (found)
        privileges->gid = found->gr_gid;
    return found || read_id(group, &privileges->gid);
}

bool gw_privileges_find(struct gw_privileges *privileges, const char *written, char *why,
                        size_t why_size)
{
    char user[64];

    *privileges = (struct gw_privileges){ .drop = written != NULL };
    if (!written)
        return true;
    size_t len = strcspn(written, ":");

    snprintf(user, sizeof(user), "%.*s", (int)len, written);
    if (geteuid() != 0)
        snprintf(why, why_size,
                 "only root can become somebody else (start it as root, or as %s "
                 "without --user)",
                 user);
    else if (len >= sizeof(user) || !find_user(privileges, user))
        snprintf(why, why_size, "no such user");
    else if (written[len] && !find_group(privileges, written + len + 1))
        snprintf(why, why_size, "no such group");
    else
        return true;
    return false;
}

bool gw_privileges_drop(const struct gw_privileges *privileges)
{
    if (!privileges->drop)
        return true;
    int groups =
        privileges->name[0] ? initgroups(privileges->name, privileges->gid) : setgroups(0, NULL);

    return groups == 0 && setresgid(privileges->gid, privileges->gid, privileges->gid) == 0 &&
           setresuid(privileges->uid, privileges->uid, privileges->uid) == 0;
}
