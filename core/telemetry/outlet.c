#include "telemetry/outlet.h"

#include "base/alloc.h"
#include "base/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PARTS_MAX 64
#define PAGE_BYTES 4096 /* what poll(2) promises to fit into a pipe */
#define RETRY_US 1000000u

/* ── opening ──────────────────────────────────────────────────────────────── */

void gw_outlet_init(struct gw_outlet *outlet)
{
    *outlet = (struct gw_outlet){ .fd = -1 };
}

/* O_NONBLOCK belongs to what was opened, not to the descriptor: set on our standard output it would
 * be the shell's, too. So a pipe or terminal is opened once more, for ourselves. */
static void open_anew(struct gw_outlet *outlet)
{
    char path[32];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", outlet->fd);
    fd = open(path, O_WRONLY | O_NONBLOCK | O_APPEND | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        outlet->kind = GW_OUTLET_SHARED;
        return;
    }
    outlet->kind = GW_OUTLET_PIPE;
    outlet->fd = fd;
    outlet->owned = true;
}

static void find_kind(struct gw_outlet *outlet)
{
    struct stat st;

    outlet->kind = GW_OUTLET_FILE;
    if (fstat(outlet->fd, &st) != 0)
        return;
    if (S_ISSOCK(st.st_mode))
        outlet->kind = GW_OUTLET_SOCKET;
    else if (!S_ISFIFO(st.st_mode) && !isatty(outlet->fd))
        return;
    else if (outlet->owned)
        outlet->kind = GW_OUTLET_PIPE;
    else
        open_anew(outlet);
}

/* O_NONBLOCK is for named pipes; a disk does not know it. */
static int open_path(const char *path)
{
    return GW_FAULT_SYS(
        LOG_OPEN,
        open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640));
}

bool gw_outlet_open(struct gw_outlet *outlet, struct gw_slice name)
{
    *outlet = (struct gw_outlet){ .name = gw_strndup(name.ptr, name.len), .fd = -1 };
    if (gw_slice_equal(name, GW_SLICE("off")))
        return true;
    if (gw_slice_equal(name, GW_SLICE("stdout"))) {
        outlet->fd = STDOUT_FILENO;
    } else if (gw_slice_equal(name, GW_SLICE("stderr"))) {
        outlet->fd = STDERR_FILENO;
    } else {
        outlet->fd = open_path(outlet->name);
        outlet->owned = true;
    }
    if (outlet->fd < 0)
        return false;
    find_kind(outlet);
    return true;
}

static void close_descriptor(struct gw_outlet *outlet)
{
    if (outlet->owned && outlet->fd >= 0)
        close(outlet->fd);
    outlet->fd = -1;
    outlet->owned = false;
}

static void forget_cut(struct gw_outlet *outlet)
{
    gw_free(outlet->cut);
    outlet->cut = NULL;
    outlet->cut_len = outlet->cut_sent = 0;
}

void gw_outlet_close(struct gw_outlet *outlet)
{
    close_descriptor(outlet);
    forget_cut(outlet);
    gw_free(outlet->name);
    gw_outlet_init(outlet);
}

void gw_outlet_replace(struct gw_outlet *outlet, struct gw_outlet *with)
{
    char *cut = outlet->cut;
    size_t len = outlet->cut_len;

    outlet->cut = NULL;
    gw_outlet_close(outlet);
    *outlet = *with;
    gw_outlet_init(with);
    if (outlet->fd >= 0) {
        outlet->cut = cut;
        outlet->cut_len = cut ? len : 0;
    } else {
        gw_free(cut);
    }
}

static bool is_standard(const char *name)
{
    return strcmp(name, "stdout") == 0 || strcmp(name, "stderr") == 0;
}

bool gw_outlet_reopen(struct gw_outlet *outlet)
{
    struct gw_outlet fresh;

    if (!outlet->owned || is_standard(outlet->name))
        return true;
    if (gw_outlet_open(&fresh, gw_slice_from(outlet->name))) {
        gw_outlet_replace(outlet, &fresh);
        return true;
    }
    int error = errno;

    gw_outlet_close(&fresh);
    errno = error;
    return false;
}

/* ── writing ──────────────────────────────────────────────────────────────── */

/* Shortens the parts to one page. Returns how many are left. */
static int cut_to_page(struct iovec *parts, int count)
{
    size_t room = PAGE_BYTES;

    for (int i = 0; i < count; i++) {
        if (parts[i].iov_len >= room) {
            parts[i].iov_len = room;
            return i + 1;
        }
        room -= parts[i].iov_len;
    }
    return count;
}

/* The parts may be changed. */
static ssize_t send_parts(const struct gw_outlet *outlet, struct iovec *parts, int count)
{
    struct msghdr message = { .msg_iov = parts, .msg_iovlen = (size_t)count };
    struct pollfd room = { .fd = outlet->fd, .events = POLLOUT };

    if (GW_FAULT(LOG_WRITE))
        return -1;
    if (GW_FAULT(LOG_WRITE_SHORT))
        parts->iov_len = (size_t)(count = 1);
    switch (outlet->kind) {
    case GW_OUTLET_FILE:
    case GW_OUTLET_PIPE:
        break;
    case GW_OUTLET_SOCKET:
        return sendmsg(outlet->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    case GW_OUTLET_SHARED:
        if (poll(&room, 1, 0) <= 0) {
            errno = EAGAIN;
            return -1;
        }
        count = cut_to_page(parts, count);
        break;
    }
    return writev(outlet->fd, parts, count);
}

/* Returns the bytes that went, 0 for none: then the state says why. */
static size_t send_now(struct gw_outlet *outlet, struct iovec *parts, int count, uint64_t now_us)
{
    ssize_t sent;

    do
        sent = send_parts(outlet, parts, count);
    while (sent < 0 && errno == EINTR);
    if (sent > 0) {
        outlet->state = GW_OUTLET_GOOD;
        outlet->error = 0;
        return (size_t)sent;
    }
    if (sent == 0 || errno == EAGAIN) {
        outlet->state = GW_OUTLET_STALLED;
        return 0;
    }
    outlet->state = GW_OUTLET_FAILED;
    outlet->error = errno;
    outlet->retry_us = now_us + RETRY_US;
    return 0;
}

bool gw_outlet_finish(struct gw_outlet *outlet, uint64_t now_us)
{
    while (outlet->cut && outlet->cut_sent < outlet->cut_len) {
        if (outlet->state == GW_OUTLET_FAILED && now_us < outlet->retry_us)
            return false;
        struct iovec rest = { .iov_base = outlet->cut + outlet->cut_sent,
                              .iov_len = outlet->cut_len - outlet->cut_sent };
        size_t sent = send_now(outlet, &rest, 1, now_us);

        if (sent == 0)
            return false;
        outlet->cut_sent += sent;
    }
    forget_cut(outlet);
    return true;
}

/* Keeps what is left of the line that `sent` ends in. Returns how many lines are taken. */
static unsigned account(struct gw_outlet *outlet, const struct gw_slice *lines, unsigned count,
                        size_t sent)
{
    unsigned whole = 0;

    for (; whole < count && sent >= lines[whole].len; whole++)
        sent -= lines[whole].len;
    if (sent == 0)
        return whole;
    outlet->cut = gw_strndup(lines[whole].ptr, lines[whole].len);
    outlet->cut_len = lines[whole].len;
    outlet->cut_sent = sent;
    return whole + 1;
}

unsigned gw_outlet_write(struct gw_outlet *outlet, const struct gw_slice *lines, unsigned count,
                         uint64_t now_us)
{
    unsigned taken = 0;

    if (outlet->fd < 0)
        return count;
    if (outlet->state == GW_OUTLET_FAILED && now_us < outlet->retry_us)
        return 0;
    while (gw_outlet_finish(outlet, now_us) && taken < count) {
        struct iovec parts[PARTS_MAX];
        unsigned most = count - taken < PARTS_MAX ? count - taken : PARTS_MAX;

        for (unsigned i = 0; i < most; i++)
            parts[i] = (struct iovec){ .iov_base = (void *)lines[taken + i].ptr,
                                       .iov_len = lines[taken + i].len };
        size_t sent = send_now(outlet, parts, (int)most, now_us);

        if (sent == 0)
            break;
        taken += account(outlet, lines + taken, most, sent);
    }
    return taken;
}
