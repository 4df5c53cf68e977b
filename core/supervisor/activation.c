/* Sockets that were there before us: systemd bound them, perhaps before we were started at all. */
#include "base/log.h"
#include "supervisor/notify.h"
#include "supervisor/supervisor_private.h"

#include <fcntl.h>
#include <sys/socket.h>

static bool has_option(int fd, int option, int wanted)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0 && value == wanted;
}

bool gw_activation_take(struct gw_keep *keep)
{
    unsigned count = gw_activation_count();

    for (unsigned i = 0; i < count; i++) {
        int fd = GW_ACTIVATION_FIRST + (int)i;
        struct gw_addr addr = { .len = sizeof(addr.sa) };

        if (!has_option(fd, SO_TYPE, SOCK_STREAM) || !has_option(fd, SO_ACCEPTCONN, 1) ||
            getsockname(fd, &addr.sa.any, &addr.len) != 0) {
            gw_error("socket activation: descriptor %d is no listening stream socket (the socket "
                     "unit wants ListenStream= and Accept=no)",
                     fd);
            return false;
        }
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        gw_keep_give(keep, &addr, fd);
    }
    return true;
}
