#include "supervisor/notify.h"

#include "base/log.h"
#include "net/addr.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_number(const char *variable, unsigned long *number)
{
    const char *text = getenv(variable);
    char *end = NULL;

    if (!text || !*text)
        return false;
    errno = 0;
    *number = strtoul(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Meant for the process that was started, not for one that inherited the environment. */
static bool is_for_us(const char *pid_variable)
{
    unsigned long pid;

    return read_number(pid_variable, &pid) && pid == (unsigned long)getpid();
}

unsigned gw_activation_count(void)
{
    unsigned long count = 0;
    bool ours = is_for_us("LISTEN_PID") && read_number("LISTEN_FDS", &count);

    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return ours && count < INT_MAX - GW_ACTIVATION_FIRST ? (unsigned)count : 0;
}

/* "/path" or "@name" in the abstract namespace. */
static bool notify_address(struct gw_addr *addr)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path ? strlen(path) : 0;

    if (len < 2 || (path[0] != '/' && path[0] != '@') || len >= sizeof(addr->sa.un.sun_path))
        return false;
    *addr = (struct gw_addr){ .sa.un.sun_family = AF_UNIX };
    memcpy(addr->sa.un.sun_path, path, len);
    if (path[0] == '@')
        addr->sa.un.sun_path[0] = '\0';
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
    return true;
}

void gw_notify(const char *lines)
{
    struct gw_addr addr;

    if (!notify_address(&addr))
        return;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 ||
        sendto(fd, lines, strlen(lines), MSG_NOSIGNAL | MSG_DONTWAIT, &addr.sa.any, addr.len) < 0)
        gw_warn("NOTIFY_SOCKET %s: %s", getenv("NOTIFY_SOCKET"), strerror(errno));
    if (fd >= 0)
        close(fd);
}

/* Half of the time that is allowed, as sd_watchdog_enabled(3) advises. */
int64_t gw_notify_watchdog_ms(void)
{
    unsigned long allowed_us;

    if (!read_number("WATCHDOG_USEC", &allowed_us) ||
        (getenv("WATCHDOG_PID") && !is_for_us("WATCHDOG_PID")))
        return 0;
    int64_t half_ms = (int64_t)(allowed_us / 2000);

    return half_ms > 0 ? half_ms : 1;
}
