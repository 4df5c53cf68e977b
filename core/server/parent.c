#include "server/parent.h"

#include "base/alloc.h"
#include "base/fault.h"
#include "base/log.h"
#include "supervisor/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* It answers within microseconds, but for the moment in which it starts itself anew. */
#define ANSWER_TIME_MS 10000

struct gw_parent {
    uv_poll_t poll;
    struct gw_loop *loop;
    int channel; /* -1: it is gone */
    unsigned restarts;
    uint32_t serial; /* of the last question */
    struct gw_parent_events events;
    void *ctx;
    struct gw_defer said; /* for what came while we waited for an answer */
    unsigned stops;       /* heard, not passed on yet */
    bool retires, gone, closed;
};

bool gw_parent_exists(void)
{
    return getenv(GW_CHANNEL_VARIABLE) != NULL;
}

/* --- listening --- */

static void pass_on(struct gw_parent *parent)
{
    if (parent->retires && !parent->closed)
        parent->events.on_retire(parent->ctx);
    parent->retires = false;
    for (; parent->stops && !parent->closed; parent->stops--)
        parent->events.on_stop(parent->ctx);
    if (parent->gone && !parent->closed)
        parent->events.on_gone(parent->ctx);
    parent->gone = false;
}

static void lose(struct gw_parent *parent)
{
    if (parent->channel < 0)
        return;
    uv_poll_stop(&parent->poll);
    close(parent->channel);
    parent->channel = -1;
    parent->gone = true;
}

static void note(struct gw_parent *parent, const struct gw_channel_message *message)
{
    if (message->kind == GW_CHANNEL_STOP)
        parent->stops++;
    else if (message->kind == GW_CHANNEL_RETIRE)
        parent->retires = true;
}

/* False when there is nothing more for now. */
static bool hear(struct gw_parent *parent, struct gw_channel_message *message, int *passed)
{
    switch (gw_channel_receive(parent->channel, message, passed)) {
    case GW_CHANNEL_GOT:
        note(parent, message);
        return true;
    case GW_CHANNEL_NOTHING:
        return false;
    case GW_CHANNEL_CLOSED:
        lose(parent);
    }
    return false;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct gw_parent *parent = container_of(poll, struct gw_parent, poll);
    struct gw_channel_message message;
    int passed;

    (void)status;
    (void)events;
    gw_loop_woke(parent->loop);
    while (parent->channel >= 0 && hear(parent, &message, &passed))
        if (passed >= 0) /* an answer that nobody waits for any more */
            close(passed);
    pass_on(parent);
}

static void on_said(struct gw_defer *defer)
{
    pass_on(container_of(defer, struct gw_parent, said));
}

/* --- asking --- */

static int refuse(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return -1;
}

/* Waits for the answer; what else comes is passed on at the end of the turn. */
static int wait_for_answer(struct gw_parent *parent, struct gw_addr *addr, char *why,
                           size_t why_size)
{
    struct pollfd polled = { .fd = parent->channel, .events = POLLIN };
    struct gw_channel_message answer;
    int fd;

    while (poll(&polled, 1, ANSWER_TIME_MS) > 0) {
        while (parent->channel >= 0 && hear(parent, &answer, &fd)) {
            if (answer.kind == GW_CHANNEL_SOCKET && answer.serial != parent->serial && fd >= 0)
                close(fd); /* to a question whose asker did not wait */
            if (answer.kind != GW_CHANNEL_SOCKET || answer.serial != parent->serial)
                continue;
            if (fd < 0)
                return refuse(why, why_size, answer.text);
            *addr = answer.addr;
            return fd;
        }
        if (parent->channel < 0)
            return refuse(why, why_size, "the supervisor is gone");
    }
    return refuse(why, why_size, "the supervisor does not answer");
}

/* `answer`: where the socket that is returned is bound. */
static int ask(struct gw_parent *parent, struct gw_channel_message question, struct gw_addr *answer,
               char *why, size_t why_size)
{
    question.serial = ++parent->serial;
    if (parent->channel < 0 || !gw_channel_send(parent->channel, &question, -1))
        return refuse(why, why_size, "the supervisor is gone");
    int fd = wait_for_answer(parent, answer, why, why_size);

    gw_loop_defer(parent->loop, &parent->said, on_said);
    return fd;
}

static int get_socket(void *ctx, struct gw_addr *addr, unsigned index, char *why, size_t why_size)
{
    const struct gw_channel_message question = { GW_CHANNEL_GET, .index = index, .addr = *addr };

    return ask(ctx, question, addr, why, why_size);
}

static int get_kept_socket(void *ctx, const struct gw_addr *addr, unsigned index)
{
    const struct gw_channel_message question = {
        GW_CHANNEL_GET_KEPT,
        .index = index,
        .addr = *addr,
    };
    struct gw_addr bound;
    char why[GW_CHANNEL_TEXT_MAX];

    return ask(ctx, question, &bound, why, sizeof(why));
}

static bool set_access(void *ctx, const struct gw_addr *addr, const struct gw_socket_access *access,
                       char *why, size_t why_size)
{
    struct gw_channel_message question = { GW_CHANNEL_ACCESS, .addr = *addr };
    struct gw_addr unused;

    snprintf(question.text, sizeof(question.text), "%o %d", access->mode, access->group);
    ask(ctx, question, &unused, why, why_size);
    return why[0] == '\0';
}

static void release_socket(void *ctx, const struct gw_addr *addr)
{
    struct gw_parent *parent = ctx;
    const struct gw_channel_message message = { .kind = GW_CHANNEL_RELEASE, .addr = *addr };

    if (parent->channel >= 0)
        gw_channel_send(parent->channel, &message, -1);
}

struct gw_socket_source *gw_parent_sockets(struct gw_parent *parent)
{
    const struct gw_socket_owner owner = {
        .get = get_socket,
        .get_kept = get_kept_socket,
        .release = release_socket,
        .set_access = set_access,
        .ctx = parent,
    };

    return gw_socket_source_asking(&owner);
}

/* --- telling --- */

static void say(struct gw_parent *parent, enum gw_channel_kind kind, const char *text)
{
    struct gw_channel_message message = { .kind = kind };

    if (!parent || parent->channel < 0)
        return;
    snprintf(message.text, sizeof(message.text), "%s", text);
    if (gw_channel_send(parent->channel, &message, -1) || kind != GW_CHANNEL_READY)
        return;
    /* Signals would not be passed on, and nobody would know that we serve: better begin again. */
    gw_fatal("the supervisor cannot be told that this process serves: %s", strerror(errno));
}

void gw_parent_say_ready(struct gw_parent *parent, const char *text)
{
    say(parent, GW_CHANNEL_READY, text);
}

void gw_parent_say_reloading(struct gw_parent *parent)
{
    say(parent, GW_CHANNEL_RELOADING, "");
}

void gw_parent_say_leaving(struct gw_parent *parent)
{
    say(parent, GW_CHANNEL_LEAVING, "");
}

/* --- beginning and end --- */

struct gw_parent *gw_parent_open(struct gw_loop *loop, const struct gw_parent_events *events,
                                 void *ctx)
{
    const char *text = getenv(GW_CHANNEL_VARIABLE);
    char *end = NULL;

    if (!text)
        return NULL;
    struct gw_parent *parent = gw_alloc_zero(sizeof(*parent));

    parent->channel = (int)strtol(text, &end, 10);
    parent->restarts = (unsigned)strtoul(end, NULL, 10);
    parent->loop = loop;
    parent->events = *events;
    parent->ctx = ctx;
    unsetenv(GW_CHANNEL_VARIABLE);
    fcntl(parent->channel, F_SETFD, FD_CLOEXEC);
    int error = GW_FAULT_UV(CHANNEL_WATCH, uv_poll_init(&loop->uv, &parent->poll, parent->channel));

    if (error && error != UV_EBADF && error != UV_EPERM) /* it is there, but we would not hear it */
        gw_fatal("cannot listen to the supervisor: %s", uv_strerror(error));
    if (error) {
        gw_error("%s names no channel to a supervisor: running without one", GW_CHANNEL_VARIABLE);
        gw_free(parent);
        return NULL;
    }
    uv_poll_start(&parent->poll, UV_READABLE, on_readable);
    return parent;
}

void gw_parent_close(struct gw_parent *parent)
{
    if (!parent)
        return;
    parent->closed = true;
    gw_defer_cancel(&parent->said);
    uv_close((uv_handle_t *)&parent->poll, NULL); /* it lives as long as the loop */
}

/* The channel closes last: whoever waits for our end sees it there first. */
void gw_parent_free(struct gw_parent *parent)
{
    if (parent && parent->channel >= 0)
        close(parent->channel);
    gw_free(parent);
}

unsigned gw_parent_restarts(const struct gw_parent *parent)
{
    return parent ? parent->restarts : 0;
}
