#include "supervisor/channel.h"
#include "base/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Room for one descriptor, aligned as a control message must be. */
union rights {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

bool gw_channel_open(int ends[2])
{
    return GW_FAULT_SYS(
               CHANNEL_OPEN,
               socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends)) == 0;
}

bool gw_channel_send(int channel, const struct gw_channel_message *message, int pass)
{
    struct gw_channel_message copy = *message;
    struct iovec bytes = { .iov_base = &copy, .iov_len = sizeof(copy) };
    struct msghdr header = { .msg_iov = &bytes, .msg_iovlen = 1 };
    union rights rights = { .space = { 0 } };
    ssize_t sent;

    if (pass >= 0 && GW_FAULT(CHANNEL_PASS))
        return false;
    if (pass >= 0) {
        header.msg_control = rights.space;
        header.msg_controllen = sizeof(rights.space);
        struct cmsghdr *control = CMSG_FIRSTHDR(&header);

        control->cmsg_level = SOL_SOCKET;
        control->cmsg_type = SCM_RIGHTS;
        control->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(control), &pass, sizeof(pass));
    }
    do
        sent = GW_FAULT_SYS(CHANNEL_SEND, sendmsg(channel, &header, MSG_NOSIGNAL));
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)sizeof(copy);
}

static int passed_with(struct msghdr *header)
{
    int fd = -1;

    for (struct cmsghdr *control = CMSG_FIRSTHDR(header); control;
         control = CMSG_NXTHDR(header, control))
        if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS &&
            control->cmsg_len == CMSG_LEN(sizeof(int)))
            memcpy(&fd, CMSG_DATA(control), sizeof(fd));
    return fd;
}

/* Where no number is free for it the kernel drops the descriptor, and says only that something is
 * missing. */
static int take_passed(struct msghdr *header, struct gw_channel_message *message)
{
    int fd = passed_with(header);

    if (fd >= 0 && GW_FAULT(CHANNEL_TAKE)) {
        close(fd);
        fd = -1;
        header->msg_flags |= MSG_CTRUNC;
    }
    if (fd < 0 && (header->msg_flags & MSG_CTRUNC))
        snprintf(message->text, sizeof(message->text),
                 "no file descriptor is left for its socket (raise the limit on open files)");
    return fd;
}

enum gw_channel_result gw_channel_receive(int channel, struct gw_channel_message *message,
                                          int *passed)
{
    struct iovec bytes = { .iov_base = message, .iov_len = sizeof(*message) };
    union rights rights;
    struct msghdr header = { .msg_iov = &bytes,
                             .msg_iovlen = 1,
                             .msg_control = rights.space,
                             .msg_controllen = sizeof(rights.space) };
    ssize_t got;

    *passed = -1;
    do
        got = recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN)
        return GW_CHANNEL_NOTHING;
    if (got <= 0)
        return GW_CHANNEL_CLOSED;
    *passed = take_passed(&header, message);
    if (got != (ssize_t)sizeof(*message) || message->addr.len > sizeof(message->addr.sa))
        *message = (struct gw_channel_message){ .kind = GW_CHANNEL_UNKNOWN };
    message->text[sizeof(message->text) - 1] = '\0';
    return GW_CHANNEL_GOT;
}
